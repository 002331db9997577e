import { Type, type Static } from 'typebox'
import { Digest } from './digest.ts'
import { Keyid } from './key.ts'
import { refTo } from './reference.ts'
import { Warning } from './sign.ts'
import { SignatureRecord } from './signature.ts'

/** The forms in which a signature can be handed in or out. */
export const SIGNATURE_FORMS = ['record', 'sig', 'dsb', 'dsc'] as const

export const SignatureForm = Type.Enum(SIGNATURE_FORMS, {
  $id: 'SignatureForm',
  type: 'string',
  description: '`record`: signature file; `sig`: raw bytes; `dsb`: Digital Signature Block to append; `dsc`: shell script for the Digital Signature Catalog.',
})
export type SignatureForm = Static<typeof SignatureForm>

/** The forms in which a signature is handed out; a proof is nothing that could be verified in the place of a signature. */
export const EXPORT_FORMS = [...SIGNATURE_FORMS, 'proof'] as const

export const ExportForm = Type.Enum(EXPORT_FORMS, {
  $id: 'ExportForm',
  type: 'string',
  description: 'A `SignatureForm`, or `proof`: that the signature stands in the tamper-evident log (C2SP tlog-proof).',
})
export type ExportForm = Static<typeof ExportForm>

/** Why a signature is not valid. */
export const INVALID_REASONS = [
  'NO_SIGNATURE', 'SIGNATURE_MALFORMED', 'DSB_MALFORMED', 'DSB_STACKED', 'SIGNATURE_WRONG', 'DIGEST_DIFFERS', 'KEY_UNKNOWN', 'RECORD_MISMATCH', 'CONTENT_NEEDED', 'KEY_REVOKED',
] as const

export const InvalidReason = Type.Enum(INVALID_REASONS, {
  $id: 'InvalidReason',
  type: 'string',
  description:
    '`NO_SIGNATURE`: none was given, none is at the end of the file, none is in the catalogue. `SIGNATURE_MALFORMED`: not of the form it was said to be. `DSB_MALFORMED`, `DSB_STACKED`: what is at the end of the file. `SIGNATURE_WRONG`: no key verifies it over anything known. `DIGEST_DIFFERS`: a signature of this server, over other bytes. `KEY_UNKNOWN`: the keyid it names is not one that this client may use. `RECORD_MISMATCH`: a record of another package, fileset or level. `CONTENT_NEEDED`: it may be of a key that signs whole files, and a digest alone says nothing about it. `KEY_REVOKED`: by a key whose signatures are not to be trusted any more.',
})
export type InvalidReason = Static<typeof InvalidReason>

export const GivenSignature = Type.Object(
  { form: refTo(SignatureForm), value: Type.String({ minLength: 1, maxLength: 1_048_576, description: 'Base64 for `sig` and `dsb`; text for `record` and `dsc`.' }) },
  { $id: 'GivenSignature', additionalProperties: false, description: 'A signature to check.' },
)
export type GivenSignature = Static<typeof GivenSignature>

const signature = Type.Optional(refTo(GivenSignature))

export const VerifyPathRequest = Type.Object(
  { path: Type.String({ minLength: 1, maxLength: 4096 }), signature },
  { $id: 'VerifyPathRequest', additionalProperties: false, description: 'A file that the server can read. Without `signature`: the block at its end, else the catalogue.', examples: [{ path: '/export/nim/lpp_source/installp/ppc/PkgA.1.0.0.0.bff' }] },
)
export type VerifyPathRequest = Static<typeof VerifyPathRequest>

export const VerifyDigestRequest = Type.Object(
  { digest: refTo(Digest), signature },
  { $id: 'VerifyDigestRequest', additionalProperties: false, description: 'A file by its digest. Without `signature`: the catalogue.' },
)
export type VerifyDigestRequest = Static<typeof VerifyDigestRequest>

/** The bodies of `POST /verify` in JSON; see `SignRequest` for `x-chosen-by`. */
export const VerifyRequest = Type.Unsafe<VerifyPathRequest | VerifyDigestRequest>({
  $id: 'VerifyRequest',
  anyOf: [refTo(VerifyPathRequest), refTo(VerifyDigestRequest)],
  'x-chosen-by': ['path', 'digest'],
  description: 'What to verify: by `path` or by `digest`.',
})
export type VerifyRequest = Static<typeof VerifyRequest>

export const Verification = Type.Object(
  {
    valid: Type.Boolean(),
    reason: Type.Optional(refTo(InvalidReason)),
    keyid: Type.Optional(refTo(Keyid)),
    signedAt: Type.Optional(Type.String({ format: 'date-time', description: 'When this server signed it, if it did.' })),
    client: Type.Optional(Type.String({ description: 'For whom, where this client may know.' })),
    id: Type.Optional(Type.String({ format: 'uuid', description: 'The signature in the catalogue, where this client may see it.' })),
    records: Type.Optional(Type.Array(refTo(SignatureRecord))),
    warnings: Type.Optional(Type.Array(refTo(Warning), { description: 'What a person should know although the signature is valid: that its key signs no more.' })),
  },
  {
    $id: 'Verification',
    additionalProperties: false,
    description: 'Whether a signature is valid; if not, why.',
    examples: [{ valid: true, keyid: '1001', signedAt: '2026-11-24T09:15:00.000Z' }],
  },
)
export type Verification = Static<typeof Verification>
