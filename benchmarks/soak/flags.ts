import { closeSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

/** How long, whether the configuration is changed meanwhile, and the file that the results go to. */
export type SoakFlags = Readonly<{ minutes: number; reloads: boolean; json: string | undefined; help: boolean }>

const MOST_MINUTES = 24 * 60

/**
 * Returns the options of a command line, or what is wrong with them, a sentence; `cwd` is where its paths are meant from. A place for the
 * results that cannot be written is told now, and not in twenty minutes.
 */
export function parseSoakFlags(args: readonly string[], cwd: string): SoakFlags | string {
  try {
    const { values } = parseArgs({ args: [...args], options: { minutes: { type: 'string', default: '20' }, 'no-reloads': { type: 'boolean', default: false }, json: { type: 'string' }, help: { type: 'boolean', default: false } } })
    const minutes = Number(values.minutes)
    if (!(minutes > 0 && minutes <= MOST_MINUTES)) return `--minutes needs a number above 0, and at most ${MOST_MINUTES}`
    const json = values.json === undefined ? undefined : resolve(cwd, values.json)
    if (json !== undefined) closeSync(openSync(json, 'a'))
    return { minutes, reloads: !values['no-reloads'], json, help: values.help }
  } catch (error) {
    return (error as Error).message
  }
}
