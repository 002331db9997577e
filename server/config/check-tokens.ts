import { isDeepStrictEqual } from 'node:util'
import type { Place } from './fault.ts'

/** What belongs to the token and not to one of its keys. */
const TOKEN_MEMBERS = ['pinFile', 'sessions', 'timeoutMs', 'waiting', 'environment'] as const

type Member = 'kind' | 'module' | 'token' | 'key' | (typeof TOKEN_MEMBERS)[number]

/** A key of the configuration, of which any part may be missing or faulty. */
type AnyKey = Readonly<{ [M in Member]?: unknown }>

/**
 * Reports keys of kind `pkcs11` that name no key, or that say different things about one token. One login serves all keys of a token: were
 * one token to pass for two, a wrong PIN would be tried twice.
 */
export function checkTokens(keys: readonly (AnyKey | undefined)[], report: (place: Place, message: string) => void): void {
  for (const [index, key] of keys.entries()) if (key?.kind === 'pkcs11' && isDeepStrictEqual(key.key, {})) report(['keys', index, 'key'], 'must have label, id or both')
  const tokenKeys = keys.flatMap((key, index) => (key?.kind === 'pkcs11' && key.token !== undefined ? [{ key, index }] : []))
  for (const [position, { key, index }] of tokenKeys.entries()) {
    const before = tokenKeys.slice(0, position).filter((other) => other.key.module === key.module)
    const otherWay = before.find((other) => wayOf(other.key) !== wayOf(key))
    if (otherWay !== undefined) report(['keys', index, 'token'], `must have ${wayOf(otherWay.key)}, as in keys[${otherWay.index}] of the same module`)
    const same = before.find((other) => isDeepStrictEqual(other.key.token, key.token))
    const other = TOKEN_MEMBERS.filter((member) => same !== undefined && !isDeepStrictEqual(key[member], same.key[member]))
    for (const member of other) report(['keys', index, member], `must be the same as in keys[${same?.index}] of the same token`)
  }
}

/** How a key names its token: `label`, `serial` or `slot`. */
function wayOf({ token }: AnyKey): string {
  return Object.keys(token as object).join()
}
