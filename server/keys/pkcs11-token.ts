import type { KeyObject } from 'node:crypto'
import { CKF_OS_LOCKING_OK, CKF_SERIAL_SESSION, CKM_RSA_PKCS, isTokenLost, nameOf } from './pkcs11-cryptoki.ts'
import type { Cryptoki, Handle } from './pkcs11-cryptoki.ts'
import { TokenError, createLogin } from './pkcs11-login.ts'
import type { Notify } from './pkcs11-login.ts'
import { TokenFault, faultOr, findPrivateKey, findPublicKey, findToken } from './pkcs11-objects.ts'
import type { TokenKey, TokenOpening } from './pkcs11-protocol.ts'
import { createSessionPool } from './pkcs11-sessions.ts'
import type { SessionPool } from './pkcs11-sessions.ts'

/** The largest RSA signature, of a 4096-bit key. */
const SIGNATURE_BYTES_MAX = 512

/** A token that was found: all that the process does, without the process. */
export type Token = Readonly<{
  keys: readonly TokenKey[]
  /** Why nothing can be signed with the PIN file as it is. */
  pinFault?: string
  /**
   * Resolves with the RSASSA-PKCS1-v1_5 signature over a DigestInfo (RFC 8017 section 9.2) with the key of this index. Whatever fails
   * is tried again in another session and, where needed, after another login.
   * @throws TokenError
   */
  sign(key: number, digestInfo: Buffer): Promise<Buffer>
  sessions: Pick<SessionPool, 'open' | 'waiting'>
  /** Ends all sessions, and with them the login. */
  close(): void
}>

/** What is known while logged in: each key's handle, or why it has none. */
type Found = readonly (Handle | TokenFault)[]

/**
 * Finds a token, reads the public parts of its keys without a login, logs in and finds the private ones. With a PIN that is refused it
 * resolves too: it shows the public keys and signs once the PIN file was mended.
 * @throws TokenFault, or what the library throws
 */
export async function openToken(cryptoki: Cryptoki, opening: TokenOpening, notify: Notify): Promise<Token> {
  cryptoki.C_Initialize({ flags: CKF_OS_LOCKING_OK })
  try {
    return await useToken(cryptoki, opening, notify)
  } catch (error) {
    cryptoki.C_Finalize()
    throw error
  }
}

async function useToken(cryptoki: Cryptoki, opening: TokenOpening, notify: Notify): Promise<Token> {
  const { slot } = findToken(cryptoki, opening.token)
  const pool = createSessionPool({ open: () => cryptoki.C_OpenSession(slot, CKF_SERIAL_SESSION), close: (session) => cryptoki.C_CloseSession(session) }, opening.sessions)
  const login = createLogin(cryptoki, { slot, opening, notify })
  const find = async (session: Handle): Promise<Found> => {
    await login(session)
    return opening.keys.map((key) => faultOr(() => findPrivateKey(cryptoki, session, key)))
  }
  const withKeys = createFinder(pool, find)
  const publicKeys = await pool.use((session) => opening.keys.map((key) => (key.readPublic ? faultOr(() => findPublicKey(cryptoki, session, key)) : undefined)))
  const found = await withKeys((_, keys) => keys).catch(pinOrThrow)
  return {
    keys: publicKeys.map((publicKey, index) => describe(publicKey, found instanceof TokenError ? undefined : found[index])),
    ...(found instanceof TokenError ? { pinFault: found.message } : {}),
    sign: createSign(cryptoki, withKeys, opening.sessions + 2),
    sessions: pool,
    close: () => cryptoki.C_Finalize(),
  }
}

type Finder = <T>(work: (session: Handle, found: Found) => T | Promise<T>) => Promise<T>

/**
 * Returns what runs work in a session with what was found there. One search serves all; after any failure the next one searches again,
 * for a lost session may have been the last, and then login and handles went with it.
 */
function createFinder(pool: SessionPool, find: (session: Handle) => Promise<Found>): Finder {
  let found: Promise<Found> | undefined
  return async (work) =>
    await pool.use(async (session) => {
      const mine = (found ??= find(session))
      try {
        return await work(session, await mine)
      } catch (error) {
        if (found === mine) found = undefined
        throw error
      }
    })
}

/** `attempts`: each can meet one session that died; one more can find the login gone. */
function createSign(cryptoki: Cryptoki, withKeys: Finder, attempts: number): Token['sign'] {
  // The library works on this memory in a thread of its own, and pkcs11js holds none of it: what the collector took would be signed anew.
  const inUse = new Set<Buffer>()
  const signOnce = async (key: number, digestInfo: Buffer): Promise<Buffer> =>
    await withKeys(async (session, found) => {
      const handle = found[key]
      if (handle === undefined || handle instanceof TokenFault) throw new TokenError('key', handle?.message ?? `there is no key ${key}`)
      cryptoki.C_SignInit(session, { mechanism: CKM_RSA_PKCS }, handle)
      const space = Buffer.alloc(SIGNATURE_BYTES_MAX)
      inUse.add(digestInfo).add(space)
      try {
        return await cryptoki.C_SignAsync(session, digestInfo, space)
      } finally {
        inUse.delete(digestInfo)
        inUse.delete(space)
      }
    })
  const signAtLast = async (key: number, digestInfo: Buffer, left: number): Promise<Buffer> => {
    try {
      return await signOnce(key, digestInfo)
    } catch (cause) {
      if (cause instanceof TokenError) throw cause
      if (isTokenLost(cause)) throw new TokenError('token', `the token is gone (${nameOf(cause)})`, { cause })
      if (left === 1) throw new TokenError('key', `the token did not sign (${nameOf(cause)})`, { cause })
      return await signAtLast(key, digestInfo, left - 1)
    }
  }
  return async (key, digestInfo) => await signAtLast(key, digestInfo, attempts)
}

function pinOrThrow(error: unknown): TokenError {
  if (error instanceof TokenError && error.failure.reason === 'pin') return error
  throw error
}

function describe(publicKey: KeyObject | TokenFault | undefined, privateKey: Handle | TokenFault | undefined): TokenKey {
  if (publicKey instanceof TokenFault) return { fault: publicKey.message }
  if (privateKey instanceof TokenFault) return { fault: privateKey.message }
  return publicKey === undefined ? {} : { publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }) }
}
