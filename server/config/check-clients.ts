import { checkDates } from './check-dates.ts'
import type { Partially, Report } from './cross-check.ts'
import type { ConfigFile } from './schema.ts'

/** Reports limits of clients that say nothing, or cannot be meant: dates, a rate of nothing, formats that nobody may have signed. */
export function checkClients({ clients = [], formats }: Partially<ConfigFile>, report: Report): void {
  for (const [index, client] of clients.entries()) {
    checkDates(client, ['clients', index], report)
    const { rate } = client ?? {}
    if (rate !== undefined && rate.requests === undefined && rate.bytes === undefined) report(['clients', index, 'rate'], 'names neither requests nor bytes')
    for (const [position, format] of (client?.formats ?? []).entries()) {
      // A digest without `package` is `other`, whatever is accepted.
      const isKnown = format === undefined || format === 'other' || formats?.accept === undefined || formats.accept.includes(format)
      if (!isKnown) report(['clients', index, 'formats', position], `formats.accept does not list ${format}`)
    }
  }
}
