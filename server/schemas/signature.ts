import { Type, type Static } from 'typebox'
import { Keyid, SigningAlgorithm } from './key.ts'
import { Format } from './format.ts'
import { exampleReceipt, Receipt } from './receipt.ts'
import { refTo } from './reference.ts'

const signature = `${'lRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuq'.repeat(8)}fjCNfUWy73WgduuZRnkA==`
const exampleRecord = { keyid: '1001', package: 'PkgA', timestamp: '1375425475', fileset: 'PkgA.rte', ftype: 'I', vrmf: '1.0.0.0', signature }

export const SignatureRecord = Type.Object(
  {
    keyid: refTo(Keyid),
    package: Type.String({ description: 'Package name: the fourth token of the first line of `lpp_name`.', examples: ['PkgA'] }),
    timestamp: Type.String({ description: 'Seconds since 1970 or `yyyymmddhhmmss`, as the server is configured.', examples: ['1375425475'] }),
    fileset: Type.String({ description: 'Fileset name.', examples: ['PkgA.rte'] }),
    ftype: Type.String({ description: 'Fileset type: `I` installation, `S` single update, `ML` maintenance level.', examples: ['I'] }),
    vrmf: Type.String({ description: 'Version.release.modification.fix.', examples: ['1.0.0.0'] }),
    signature: Type.String({ description: 'The signature in standard base64 with padding.' }),
  },
  { $id: 'SignatureRecord', additionalProperties: false, description: 'The seven fields of one line of the signature file.', examples: [exampleRecord] },
)
export type SignatureRecord = Static<typeof SignatureRecord>

/** The signature that the examples of the document show; its base64 decodes to 256 bytes and verifies nothing. */
export const exampleSignature = {
  id: '0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21',
  filename: 'PkgA.1.0.0.0.bff',
  format: 'installp',
  source: 'path',
  sha256: '7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730',
  sizeBytes: 3584,
  keyid: '1001',
  algorithm: 'rsa-2048-sha256',
  covers: 'file',
  signature,
  signedAt: '2026-11-24T09:15:00.000Z',
  replayed: false,
  records: [exampleRecord],
  receipt: exampleReceipt,
} as const

export const KeyRevocation = Type.Object(
  { at: Type.Optional(Type.String({ format: 'date-time', description: 'Since when, where the configuration says so.' })), reason: Type.Optional(Type.String({ description: 'Why, where the configuration says so.' })) },
  { $id: 'KeyRevocation', additionalProperties: false, description: 'The key is revoked: nothing that it signed is valid any more.', examples: [{ at: '2026-11-24T09:15:00.000Z', reason: 'key compromise' }] },
)

const members = {
  id: Type.String({ format: 'uuid', description: 'Identifier in the catalogue.' }),
  filename: Type.String({ description: 'Base name of the file. In the catalogue and the log that of the file for which it was made, where the same content has several names.' }),
  format: refTo(Format),
  source: Type.Enum(['path', 'upload', 'digest'], { type: 'string', description: 'How the content came. `digest`: the server never saw the content, and format and records are what the client said.' }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the signed bytes, hexadecimal: the whole file, without a Digital Signature Block at its end.' }),
  sizeBytes: Type.Integer({ minimum: 0, description: 'How many bytes are signed.' }),
  keyid: refTo(Keyid),
  algorithm: refTo(SigningAlgorithm),
  covers: Type.Enum(['file', 'unverified'], { type: 'string', description: '`file`: verified over the whole file. `unverified`: see the key.' }),
  signature: Type.String({ description: 'The signature in standard base64 with padding.' }),
  signedAt: Type.String({ format: 'date-time', description: 'When it was signed, RFC 3339 in UTC.' }),
  replayed: Type.Boolean({ description: 'True when an earlier request already made this signature: the same content is signed once by a key, unless `force` asks for more.' }),
  records: Type.Array(refTo(SignatureRecord), { description: 'One record per fileset, in the order of `lpp_name`; none for what is no installp package.' }),
  receipt: refTo(Receipt),
  keyRevoked: Type.Optional(refTo(KeyRevocation)),
}

/** A signature without those that other keys made beside it. */
export type OneSignature = Static<ReturnType<typeof Type.Object<typeof members>>>

export const Signature = Type.Object(
  {
    ...members,
    also: Type.Optional(Type.Array(Type.Unsafe<OneSignature>({ $ref: 'Signature#' }), { description: 'The signatures over the same that other keys made with it, in a key overlap: a key that is `retiring` and its successor both sign, for a client that may use both. None of them has an `also` of its own, and the catalogue has each by itself.' })),
  },
  { $id: 'Signature', additionalProperties: false, description: 'A signature that was verified and recorded.', examples: [exampleSignature] },
)
export type Signature = Static<typeof Signature>
