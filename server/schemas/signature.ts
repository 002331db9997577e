import { Type, type Static } from 'typebox'
import { Keyid, SigningAlgorithm } from './key.ts'
import { refTo } from './reference.ts'

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
  { $id: 'SignatureRecord', additionalProperties: false, description: 'The seven fields of one line of the signature file.' },
)
export type SignatureRecord = Static<typeof SignatureRecord>

export const Signature = Type.Object(
  {
    id: Type.String({ format: 'uuid', description: 'Identifier in the catalogue.' }),
    filename: Type.String({ description: 'Base name of the signed file.' }),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the whole file, hexadecimal.' }),
    sizeBytes: Type.Integer({ minimum: 0 }),
    keyid: refTo(Keyid),
    algorithm: refTo(SigningAlgorithm),
    covers: Type.Enum(['file', 'unverified'], { type: 'string', description: '`file`: verified over the whole file. `unverified`: see the key.' }),
    signature: Type.String({ description: 'The signature in standard base64 with padding.' }),
    signedAt: Type.String({ format: 'date-time', description: 'When it was signed, RFC 3339 in UTC.' }),
    replayed: Type.Boolean({ description: 'True when an earlier request already made this signature.' }),
    records: Type.Array(refTo(SignatureRecord), { description: 'One record per fileset, in the order of `lpp_name`.' }),
  },
  { $id: 'Signature', additionalProperties: false, description: 'A signature that was verified and recorded.' },
)
export type Signature = Static<typeof Signature>
