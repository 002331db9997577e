import { randomUUID } from 'node:crypto'

/** How a request says that it is the same request again. */
export type KeyOptions = Readonly<{
  /**
   * The Idempotency-Key: the same key and the same request give the same answer, however often it is asked for, for as long as the server
   * keeps answers. A new UUID for each call unless given: 1 to 255 visible ASCII characters without `"` and `\`. `false` sends none; then
   * nothing is repeated that the server may have begun.
   */
  idempotencyKey?: string | false | undefined
}>

/**
 * Returns the header field of a request that has a key, a structured-field string.
 * @throws TypeError for what is no key
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
export function keyHeader({ idempotencyKey = randomUUID() }: KeyOptions): Readonly<Record<string, string>> {
  if (idempotencyKey === false) return {}
  if (!/^[!#-[\]-~]{1,255}$/.test(idempotencyKey)) throw new TypeError('`idempotencyKey` must be 1 to 255 visible ASCII characters without `"` and `\\`')
  return { 'idempotency-key': `"${idempotencyKey}"` }
}
