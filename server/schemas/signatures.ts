import { Type, type Static } from 'typebox'
import { Format } from './format.ts'
import { Keyid } from './key.ts'
import { refTo } from './reference.ts'
import { Signature } from './signature.ts'

const word = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 144, description }))
const time = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }))

export const SignaturesQuery = Type.Object(
  {
    package: word('Package name, exactly.'),
    fileset: word('Fileset name, exactly.'),
    vrmf: word('Version.release.modification.fix, exactly; with `fileset` of the same record.'),
    sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the signed bytes.' })),
    keyid: Type.Optional(refTo(Keyid)),
    client: word('Name of the client it was made for.'),
    format: Type.Optional(refTo(Format)),
    form: Type.Optional(Type.Enum(['record', 'sig'], { type: 'string', description: '`record`: signatures with records of an installp package; `sig`: detached ones.' })),
    since: time('Signed at this time or later, RFC 3339.'),
    until: time('Signed before this time, RFC 3339.'),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'How many to answer with at the most, 100 without it; of an NDJSON answer how many in all, and all without it.' })),
    cursor: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,15}$', description: '`nextCursor` of the answer before.' })),
  },
  { $id: 'SignaturesQuery', additionalProperties: false, description: 'Which signatures to find: those that fit everything that is named.' },
)
export type SignaturesQuery = Static<typeof SignaturesQuery>

export const FoundSignature = Type.Object(
  { client: Type.String({ description: 'Name of the client it was made for.' }), signature: refTo(Signature) },
  { $id: 'FoundSignature', additionalProperties: false, description: 'A signature of the catalogue.' },
)
export type FoundSignature = Static<typeof FoundSignature>

export const SignatureList = Type.Object(
  {
    signatures: Type.Array(refTo(FoundSignature), { description: 'The newest first, in the order of the log.' }),
    nextCursor: Type.Union([Type.String(), Type.Null()], { description: 'Null on the last page.' }),
  },
  { $id: 'SignatureList', additionalProperties: false, description: 'One page of signatures.' },
)
export type SignatureList = Static<typeof SignatureList>
