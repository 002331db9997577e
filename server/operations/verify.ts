import { SigningError } from '../errors.ts'
import type { Keyring, OpenedKey } from '../keys/key.ts'
import type { Inspector, OpenFile } from '../packages/inspect.ts'
import { openFile } from '../roots/open.ts'
import { resolvePath, type Root } from '../roots/resolve.ts'
import type { GivenSignature, Verification, VerifyRequest } from '../schemas/verify.ts'
import type { Catalogued, Store } from '../store/store.ts'
import { allowedKeys, allowedRoots, maySee, type Caller } from './caller.ts'
import { sees } from './get-signature.ts'
import { judgeBlock, judgeGiven, judgeRaw, type Judgement, type Subject } from './judge.ts'

export type VerifyDeps = Readonly<{ roots: readonly Root[]; keyring: Keyring; inspector: Inspector; store: Store }>

/**
 * Says whether a signature over a file or a digest is valid, and if not, why. Without a signature in the request the block at the end
 * of the file is meant, else the catalogue. Any file can be asked about, also one that would not be signed; one that is damaged, or
 * whose block is, is an answer and not an error.
 * @throws SigningError `PATH_…`, `FILE_KIND_REFUSED`, `FILE_CHANGED`, `FILE_TOO_LARGE`, `STORE_FAILED`
 */
export async function verify(deps: VerifyDeps, caller: Caller, request: VerifyRequest, signal: AbortSignal): Promise<Verification> {
  if ('digest' in request) return await verifySubject(deps, caller, { subject: { sha256: Buffer.from(request.digest.sha256, 'hex') }, given: request.signature })
  const place = await resolvePath(request.path, allowedRoots(caller, deps.roots))
  const { handle, stats } = await openFile(place)
  try {
    return await verifyOpened(deps, caller, { file: { handle, fileBytes: stats.size }, given: request.signature, signal })
  } finally {
    await handle.close()
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
  return await verifySubject(deps, caller, { subject: examined, given })
}

type Verifying = Readonly<{ subject: Subject; given?: GivenSignature | undefined }>

async function verifySubject({ keyring, store }: VerifyDeps, caller: Caller, { subject, given }: Verifying): Promise<Verification> {
  const keys = allowedKeys(caller, keyring)
  const found = await store.findByDigest(subject.sha256.toString('hex'))
  const judgement = judge(subject, { keys, given, found })
  return judgement.valid ? { ...judgement, ...(await made(store, caller, found.filter(({ signature }) => signature.keyid === judgement.keyid))) } : judgement
}

type Known = Readonly<{ keys: readonly OpenedKey[]; given: GivenSignature | undefined; found: readonly Catalogued[] }>

function judge(subject: Subject, { keys, given, found }: Known): Judgement {
  if (given !== undefined) return judgeGiven(subject, given, keys)
  if (subject.dsb !== undefined) return judgeBlock(subject, subject.dsb, keys)
  const usable = found.find(({ signature }) => keys.some(({ keyid }) => keyid === signature.keyid))
  if (usable === undefined) return { valid: false, reason: 'NO_SIGNATURE' }
  const { signature, records } = usable.signature
  return { ...judgeRaw(subject, Buffer.from(signature, 'base64'), keys), ...(records.length === 0 ? {} : { records }) }
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
