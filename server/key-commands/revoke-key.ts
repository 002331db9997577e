import { changeConfiguration, findKey, setMembers } from './configuration.ts'
import { KeyCommandFault } from './fault.ts'
import { wholeSecond } from './whole-second.ts'

/** Which key of which configuration is revoked, why (a line of text, which clients can read), and when. */
export type Revocation = Readonly<{ config: string; keyid: string; reason: string; now: Date }>

/**
 * Revokes a key in the configuration, whole or not at all, and returns since when (RFC 3339). A server that runs goes by it once it has read
 * the configuration again.
 * @throws KeyCommandFault, also for a key that is revoked already; ConfigError
 */
export async function revokeKey({ config, keyid, reason, now }: Revocation): Promise<string> {
  const revokedAt = wholeSecond(now)
  await changeConfiguration(config, (changing) => {
    const { node, key: { state, revokedAt: before } } = findKey(changing, keyid)
    if (state === 'revoked') throw new KeyCommandFault(`key ${keyid} is revoked already${before === undefined ? '' : `, since ${before}`}: nothing is changed`)
    setMembers(node, { state: 'revoked', revokedAt, revocationReason: reason })
  })
  return revokedAt
}
