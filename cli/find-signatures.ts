import type { FindSignaturesRequest, FoundSignature } from '../sdk/index.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import type { Invocation } from './invocation.ts'
import { jsonDocument, jsonLine, recordLines, type Sdk } from './output.ts'
import { printable } from './printable.ts'
import type { Session } from './session.ts'
import type { OutputForm } from './settings.ts'

/**
 * Prints the signatures that fit, the newest first, as they come: all of them, or one page where `--limit` or `--cursor` asks for it.
 * @throws ProblemError, ConnectionError
 */
export async function findSignaturesCommand(session: Session, { members }: Invocation): Promise<ExitStatus> {
  const { client, settings, terminal, io, sdk } = session
  const request = members as FindSignaturesRequest
  const options = { signal: io.signal }
  const isPage = members['limit'] !== undefined || members['cursor'] !== undefined
  const page = isPage ? await client.findSignatures(request, options) : undefined
  const found = page?.signatures ?? client.findAllSignatures(request, options)
  if (settings.output === 'json') {
    // A document is one piece, so it is held until it is complete.
    await terminal.out(jsonDocument(page ?? { signatures: await Array.fromAsync(found), nextCursor: null }))
  } else {
    const form = foundForm(settings.output, sdk)
    await terminal.out(form.head)
    for await (const one of found) await terminal.out(form.one(one))
  }
  if (typeof page?.nextCursor === 'string') terminal.line(`hint: there is more, with --cursor ${page.nextCursor}`)
  return EXIT.done
}

type FoundForm = Readonly<{ head: string; one: (found: FoundSignature) => string }>

function foundForm(output: Exclude<OutputForm, 'json'>, sdk: Sdk): FoundForm {
  switch (output) {
    case 'ndjson':
      return { head: '', one: jsonLine }
    case 'signature-file':
      return { head: `${sdk.SIGNATURE_FILE_HEADER}\n`, one: ({ signature }) => recordLines(signature.records, sdk).join('') }
    case 'text':
      return { head: '', one: (found) => `${printable(foundLine(found))}\n` }
  }
}

/**
 * Returns a signature as one line for a person:
 * `2026-11-24T09:15:00.000Z  0199c1f4-…  key 1001  for release-bot  PkgA.1.0.0.0.bff  PkgA: PkgA.rte 1.0.0.0`. What has no records shows
 * its digest instead; `key 1001 (revoked)` where nothing that the key signed is valid any more.
 */
export function foundLine({ client, signature: { signedAt, id, keyid, filename, records, sha256, keyRevoked } }: FoundSignature): string {
  const levels = records.map(({ fileset, vrmf }) => `${fileset} ${vrmf}`).join(', ')
  return [signedAt, id, `key ${keyid}${keyRevoked === undefined ? '' : ' (revoked)'}`, `for ${client}`, filename, records.length === 0 ? `sha256 ${sha256}` : `${records[0]!.package}: ${levels}`].join('  ')
}
