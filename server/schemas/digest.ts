import { Type, type Static } from 'typebox'
import { refTo } from './reference.ts'

export const Digest = Type.Object(
  { sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256, 64 lower-case hexadecimal digits.' }) },
  { $id: 'Digest', additionalProperties: false, description: 'The digest of a file that is not sent.' },
)
export type Digest = Static<typeof Digest>

export const Fileset = Type.Object(
  { fileset: Type.String({ minLength: 1, maxLength: 144 }), vrmf: Type.String({ minLength: 7, maxLength: 23, description: 'Version.release.modification.fix, without leading zeros.' }) },
  { $id: 'Fileset', additionalProperties: false, description: 'A fileset and its level.' },
)
export type Fileset = Static<typeof Fileset>

/** What is said of a file that stays where it is. */
const described = {
  digest: refTo(Digest),
  sizeBytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'How many bytes the digest covers.' }),
  filename: Type.String({ minLength: 1, maxLength: 255, description: 'Base name of the file.', examples: ['PkgA.1.0.0.0.bff'] }),
  package: Type.Optional(Type.String({ minLength: 1, maxLength: 144, description: 'Package name; with `filesets`, for an installp package. Without it the signature is a detached one.' })),
  ftype: Type.Optional(Type.String({ minLength: 1, maxLength: 3, default: 'I', description: 'Fileset type.' })),
  filesets: Type.Optional(Type.Array(refTo(Fileset), { minItems: 1, maxItems: 10_000, description: 'In the order of `lpp_name`.' })),
  builtAt: Type.Optional(Type.Integer({ minimum: 0, maximum: 4_294_967_295, description: 'When the package was built, seconds since 1970; without it the time of signing stands in the records.' })),
} as const

export const DigestItem = Type.Object(described, { $id: 'DigestItem', additionalProperties: false, description: 'A file to sign by its digest.' })
export type DigestItem = Static<typeof DigestItem>

export { described as digestMembers }
