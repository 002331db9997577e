import { formatDsb, formatDscScript, FormatError, formatSignatureFile } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import { signsMessages } from '../keys/algorithms.ts'
import type { Keyring } from '../keys/key.ts'
import type { Signature } from '../schemas/signature.ts'
import type { ExportForm } from '../schemas/verify.ts'
import type { Store } from '../store/store.ts'
import type { Caller } from './caller.ts'
import { getSignature } from './get-signature.ts'
import { refuseRevoked } from './revocation.ts'

export type ExportDeps = Readonly<{ store: Store; keyring: Keyring; dsb: Readonly<{ keyDirectory: string; allowRsa3072: boolean }> }>

/** A signature as a file to keep: its bytes, its name, its media type. */
export type Exported = Readonly<{ bytes: Buffer; filename: string; mediaType: string }>

/**
 * Returns a signature of the catalogue in one of its forms, or the proof that it stands in the log.
 * @throws SigningError `SIGNATURE_NOT_FOUND`, `FORM_NOT_AVAILABLE`, `KEY_REVOKED` for every form but the proof, `STORE_FAILED`
 */
export async function exportSignature(deps: ExportDeps, caller: Caller, { id, form }: Readonly<{ id: string; form: ExportForm }>): Promise<Exported> {
  const signature = await getSignature(deps, caller, id)
  // The proof is evidence of what happened; everything else would go into packages.
  if (form !== 'proof') refuseRevoked(signature, deps.keyring)
  switch (form) {
    case 'record':
      return { bytes: Buffer.from(formatSignatureFile(recordsOf(signature))), filename: `${signature.filename}.signature`, mediaType: 'text/plain; charset=utf-8' }
    case 'sig':
      return { bytes: Buffer.from(signature.signature, 'base64'), filename: `${signature.filename}.sig`, mediaType: 'application/octet-stream' }
    case 'dsb':
      return { bytes: dsbOf(signature, deps), filename: `${signature.filename}.dsb`, mediaType: 'application/octet-stream' }
    case 'dsc':
      return { bytes: Buffer.from(formatted(() => formatDscScript(recordsOf(signature)))), filename: `${signature.filename}.dsc.sh`, mediaType: 'text/x-shellscript; charset=utf-8' }
    case 'proof':
      return { bytes: await proofOf(signature, deps), filename: `${signature.filename}.tlog-proof`, mediaType: 'text/plain; charset=utf-8' }
  }
}

async function proofOf({ id }: Signature, { store }: ExportDeps): Promise<Buffer> {
  const proof = await store.proof(id)
  if (proof === undefined) throw new TypeError('a signature of the catalogue has no entry in the log')
  return Buffer.from(proof)
}

function recordsOf({ records, algorithm }: Signature): Signature['records'] {
  refuseUnlessRsa(algorithm)
  if (records.length === 0) throw new SigningError('FORM_NOT_AVAILABLE', 'the signature is a detached one and has no records')
  return records
}

/** Records, blocks and the catalogue of AIX carry RSA signatures alone. */
function refuseUnlessRsa(algorithm: Signature['algorithm']): void {
  if (signsMessages(algorithm)) throw new SigningError('FORM_NOT_AVAILABLE', `the signature is ${algorithm}, and this form is for RSA signatures alone`)
}

function dsbOf({ format, keyid, algorithm, signature }: Signature, { keyring, dsb }: ExportDeps): Buffer {
  refuseUnlessRsa(algorithm)
  if (format !== 'installp') throw new SigningError('FORM_NOT_AVAILABLE', 'only an installp package can end in a Digital Signature Block')
  const path = keyring.get(keyid)?.installedPath
  if (path === undefined) throw new SigningError('FORM_NOT_AVAILABLE', `key ${keyid} has no installedPath in the configuration, and a Digital Signature Block names it`)
  if (algorithm === 'rsa-3072-sha256' && !dsb.allowRsa3072) throw new SigningError('FORM_NOT_AVAILABLE', 'no published Digital Signature Block has an RSA-3072 signature, and dsb.allowRsa3072 of the configuration forbids it')
  return formatted(() => formatDsb({ signature: Buffer.from(signature, 'base64'), key: { form: 'LOC', path } }, { keyDirectory: dsb.keyDirectory }))
}

/** A field that is too wide for the form is a form that this signature does not have. */
function formatted<T>(format: () => T): T {
  try {
    return format()
  } catch (cause) {
    if (cause instanceof FormatError) throw new SigningError('FORM_NOT_AVAILABLE', `the signature does not fit this form: ${cause.message}`, { cause })
    throw cause
  }
}
