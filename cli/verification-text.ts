import type { InvalidReason, OfflineVerification, Verification } from '../sdk/index.ts'
import { hintLine } from './explain.ts'
import type { Failure } from './failure.ts'
import { jsonDocument, jsonLine } from './output.ts'
import { printable } from './printable.ts'
import type { Bench } from './session.ts'

/** What became of one file: whether its signature is valid, or why nothing can be said. */
export type Verified = Readonly<{ name: string; verification: Verification | OfflineVerification }> | Readonly<{ name: string; problem: Failure }>

const SENTENCES: Readonly<Record<InvalidReason, string>> = {
  NO_SIGNATURE: 'no signature was given or found',
  SIGNATURE_MALFORMED: 'the signature is not of the form it should be',
  DSB_MALFORMED: 'the Digital Signature Block is malformed',
  DSB_STACKED: 'more than one Digital Signature Block stands at the end',
  SIGNATURE_WRONG: 'no key verifies the signature over anything known',
  DIGEST_DIFFERS: 'the signature is over other bytes than these',
  KEY_UNKNOWN: 'the key that the record names is not known',
  RECORD_MISMATCH: 'the record is of another package, fileset or level',
  CONTENT_NEEDED: 'the key signs whole files, and a digest alone cannot tell',
  KEY_REVOKED: 'the key is revoked, and nothing it signed is valid any more',
}

/** Shows what became of files, as each is known, and at the end what belongs there. */
export type Shown = Readonly<{ add: (verified: Verified) => Promise<void>; end: () => Promise<void> }>

/**
 * Returns how verifications are printed: a line each, `NAME: valid …` or `NAME: not valid REASON sentence`; or JSON. The document is that
 * of the API for a path on the server, and else a map by name. Failures and warnings go to stderr.
 */
export function verificationOutput({ settings, terminal }: Pick<Bench, 'settings' | 'terminal'>, isServerPath: boolean): Shown {
  const verifications = Object.create(null) as Record<string, Verification | OfflineVerification>
  const failures = Object.create(null) as Record<string, Failure>
  return {
    add: async (verified) => {
      const { name } = verified
      if ('problem' in verified) {
        terminal.line(`${name}: ${verified.problem.code} ${verified.problem.detail}`)
        terminal.line(hintLine(verified.problem))
        failures[name] = verified.problem
        if (settings.output === 'ndjson') await terminal.out(jsonLine(verified))
        return
      }
      const { verification } = verified
      verifications[name] = verification
      const { warnings = [] }: Partial<Verification> = verification
      for (const { code, detail } of warnings) terminal.line(`warning: ${code} ${detail}`)
      if (settings.output === 'text') await terminal.out(`${printable(verificationLine(name, verification))}\n`)
      if (settings.output === 'ndjson') await terminal.out(jsonLine({ name, ...verification }))
      if (settings.output === 'json' && isServerPath) await terminal.out(jsonDocument(verification))
    },
    end: async () => {
      if (settings.output === 'json' && !isServerPath) await terminal.out(jsonDocument({ verifications, failures }))
    },
  }
}

function verificationLine(name: string, verification: Verification | OfflineVerification): string {
  const { valid, reason, keyid }: OfflineVerification = verification
  const { signedAt, client }: Partial<Verification> = verification
  const key = keyid === undefined ? '' : `, key ${keyid}`
  if (!valid) return `${name}: not valid ${reason} ${SENTENCES[reason!] ?? 'the signature is not valid'}${key}`
  return `${name}: valid${key}${signedAt === undefined ? '' : `, signed ${signedAt}`}${client === undefined ? '' : ` for ${client}`}`
}
