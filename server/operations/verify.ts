import { SigningError } from '../errors.ts'
import { isHeld, type Keyring, type OpenedKey } from '../keys/key.ts'
import { isRevoked } from '../keys/life.ts'
import { checkWholeSize } from '../keys/message-key.ts'
import type { Inspector, OpenFile } from '../packages/inspect.ts'
import type { Examined } from '../packages/package-info.ts'
import { closeOpened, openFile } from '../roots/open.ts'
import { resolvePath, type Root } from '../roots/resolve.ts'
import type { GivenSignature, Verification, VerifyRequest } from '../schemas/verify.ts'
import type { Catalogued, Store } from '../store/store.ts'
import { checkSize } from './allowed.ts'
import { allowedKeys, allowedRoots, maySee, type Caller } from './caller.ts'
import { sees } from './get-signature.ts'
import { endedWarnings } from './key-notes.ts'
import { judgeBlock, judgeGiven, judgeRaw, type Judgement, type Subject } from './judge.ts'

export type VerifyDeps = Readonly<{ roots: readonly Root[]; keyring: Keyring; inspector: Inspector; store: Store; clock: () => Date }>

/**
 * Says whether a signature over a file or a digest is valid, and if not, why. Without a signature in the request the block at the end
 * of the file is meant, else the catalogue. Any file can be asked about, also one that would not be signed; one that is damaged, or
 * whose block is, is an answer and not an error.
 * @throws SigningError `PATH_…`, `FILE_KIND_REFUSED`, `FILE_CHANGED`, `FILE_TOO_LARGE`, `STORE_FAILED`
 */
export async function verify(deps: VerifyDeps, caller: Caller, request: VerifyRequest, signal: AbortSignal): Promise<Verification> {
  if ('digest' in request) return await verifySubject(deps, caller, { subject: { sha256: Buffer.from(request.digest.sha256, 'hex') }, given: request.signature })
  const place = await resolvePath(request.path, allowedRoots(caller, deps.roots))
  const { fd, state } = await openFile(place)
  try {
    checkSize(caller, state.size)
    caller.spend?.(state.size)
    return await verifyOpened(deps, caller, { file: { fd, fileBytes: state.size }, given: request.signature, signal })
  } finally {
    closeOpened({ fd })
  }
}

type Opened = Readonly<{ file: OpenFile; sha256?: Buffer; given?: GivenSignature | undefined; signal: AbortSignal }>

/** Verifies an open file, however it came. @throws SigningError as {@link verify} */
export async function verifyOpened(deps: VerifyDeps, caller: Caller, { file, sha256, given, signal }: Opened): Promise<Verification> {
  const examined = await deps.inspector.examine(file, { signal, ...(sha256 === undefined ? {} : { sha256 }) }).catch((error: unknown) => {
    if (error instanceof SigningError && (error.code === 'DSB_MALFORMED' || error.code === 'DSB_STACKED')) return error.code
    throw error
  })
  if (typeof examined === 'string') return { valid: false, reason: examined }
  const verifyMessage = async (key: OpenedKey, signature: Buffer) => await verifyWhole(deps, { file, examined, signal }, { key, signature })
  return await verifySubject(deps, caller, { subject: { ...examined, verifyMessage }, given })
}

type Whole = Readonly<{ file: OpenFile; examined: Examined; signal: AbortSignal }>

/** A signature of a key that signs whole files: over the very bytes that were examined, which are read again. */
async function verifyWhole({ inspector }: VerifyDeps, { file, examined: { sizeBytes, sha256 }, signal }: Whole, { key, signature }: Readonly<{ key: OpenedKey; signature: Buffer }>): Promise<boolean> {
  if (isHeld(key) && key.key.kind === 'message') checkWholeSize(sizeBytes, key.key.maxBytes)
  return await inspector.verifyMessage({ ...file, sizeBytes }, { publicKey: key.publicKey, signature, sha256 }, signal)
}

type Verifying = Readonly<{ subject: Subject; given?: GivenSignature | undefined }>

async function verifySubject({ keyring, store, clock }: VerifyDeps, caller: Caller, { subject, given }: Verifying): Promise<Verification> {
  const keys = allowedKeys(caller, keyring)
  const found = await store.findByDigest(subject.sha256.toString('hex'))
  const judgement = await judge(subject, { keys, given, found })
  const key = keys.find(({ keyid }) => keyid === judgement.keyid)
  if (!judgement.valid || key === undefined) return judgement
  if (isRevoked(key)) return { valid: false, reason: 'KEY_REVOKED', keyid: key.keyid }
  const origin = await made(store, caller, found.filter(({ signature }) => signature.keyid === key.keyid))
  const warnings = endedWarnings(key, clock())
  return { ...judgement, ...origin, ...(warnings.length === 0 ? {} : { warnings: [...warnings] }) }
}

type Known = Readonly<{ keys: readonly OpenedKey[]; given: GivenSignature | undefined; found: readonly Catalogued[] }>

async function judge(subject: Subject, { keys, given, found }: Known): Promise<Judgement> {
  if (given !== undefined) return await judgeGiven(subject, given, keys)
  if (subject.dsb !== undefined) return judgeBlock(subject, subject.dsb, keys)
  const by = (some: readonly OpenedKey[]) => found.find(({ signature }) => some.some(({ keyid }) => keyid === signature.keyid))
  // What was signed again with another key is not spoilt by the one that is revoked.
  const usable = by(keys.filter((key) => !isRevoked(key))) ?? by(keys)
  if (usable === undefined) return { valid: false, reason: 'NO_SIGNATURE' }
  const { signature, records } = usable.signature
  return { ...(await judgeRaw(subject, Buffer.from(signature, 'base64'), keys)), ...(records.length === 0 ? {} : { records }) }
}

/** When this server made the signature that was found valid, and for whom where the caller may know. `found` is by the same key. */
async function made(store: Store, caller: Caller, found: readonly Catalogued[]): Promise<Partial<Verification>> {
  const own = found.find(({ client }) => maySee(caller, client)) ?? (await firstHanded(store, caller, found))
  const any = own ?? found[0]
  if (any === undefined) return {}
  const { signedAt, id } = any.signature
  return own === undefined ? { signedAt } : { signedAt, id, client: own.client }
}

async function firstHanded(store: Store, caller: Caller, found: readonly Catalogued[]): Promise<Catalogued | undefined> {
  for (const one of found) if (await sees(store, caller, one)) return one
  return undefined
}
