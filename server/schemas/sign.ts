import { Type, type Static } from 'typebox'
import { Keyid } from './key.ts'
import { DigestItem, digestMembers } from './digest.ts'
import { Problem } from './problem.ts'
import { mapOf, refTo } from './reference.ts'
import { exampleSignature, Signature } from './signature.ts'

/** Why an entry of a directory is listed and not signed. */
export const SKIP_REASONS = ['DIRECTORY', 'TOC', 'SPECIAL_FILE', 'NOT_A_PACKAGE', 'FORMAT_NOT_ACCEPTED'] as const

export const SkipReason = Type.Enum(SKIP_REASONS, {
  $id: 'SkipReason',
  type: 'string',
  description: 'Why an entry of a directory is listed and not signed.',
})
export type SkipReason = Static<typeof SkipReason>

/** What every way to ask for a signature can say about what was signed before. */
export const anew = {
  force: Type.Optional(Type.Boolean({ default: false, description: 'Sign again even where the same content was signed by this key before.' })),
  resign: Type.Optional(Type.Boolean({ default: false, description: 'Sign other content under a fileset level that was signed before; only for clients whose policy allows it.' })),
} as const

export const SignPathRequest = Type.Object(
  {
    path: Type.String({
      minLength: 1,
      maxLength: 4096,
      description: 'Absolute path of a file or directory that the server can read, inside a root this client may use.',
      examples: ['/export/nim/lpp_source/installp/ppc'],
    }),
    keyid: Type.Optional(refTo(Keyid)),
    recursive: Type.Optional(Type.Boolean({ default: false, description: 'Descend into subdirectories; names are then relative to `path`.' })),
    ...anew,
  },
  {
    $id: 'SignPathRequest',
    additionalProperties: false,
    description: 'What to sign, by path. Without `keyid` the only key this client may use.',
    examples: [{ path: '/export/nim/lpp_source/installp/ppc', keyid: '1001' }],
  },
)
export type SignPathRequest = Static<typeof SignPathRequest>

export const SignDigestRequest = Type.Object(
  { ...digestMembers, keyid: Type.Optional(refTo(Keyid)), ...anew },
  {
    $id: 'SignDigestRequest',
    additionalProperties: false,
    description: 'A file to sign by its digest alone, for clients whose policy allows it: nothing but this travels.',
    examples: [
      {
        digest: { sha256: '7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730' },
        sizeBytes: 3584,
        filename: 'PkgA.1.0.0.0.bff',
        package: 'PkgA',
        filesets: [{ fileset: 'PkgA.rte', vrmf: '1.0.0.0' }],
      },
    ],
  },
)
export type SignDigestRequest = Static<typeof SignDigestRequest>

export const SignBatchRequest = Type.Object(
  { items: Type.Array(refTo(DigestItem), { minItems: 1, maxItems: 1000 }), keyid: Type.Optional(refTo(Keyid)), ...anew },
  { $id: 'SignBatchRequest', additionalProperties: false, description: 'Many files to sign by their digests; one that fails does not spoil the others.' },
)
export type SignBatchRequest = Static<typeof SignBatchRequest>

export const SignAgainRequest = Type.Object(
  { id: Type.String({ format: 'uuid', description: 'A signature of the catalogue that this client may see.' }), keyid: Type.Optional(refTo(Keyid)) },
  {
    $id: 'SignAgainRequest',
    additionalProperties: false,
    description: 'What an earlier signature covers, to be signed once more with another key: the file that it was made for, where the server has it and its bytes are the same as then.',
    examples: [{ id: '0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21', keyid: '1002' }],
  },
)
export type SignAgainRequest = Static<typeof SignAgainRequest>

/** The bodies of `POST /sign` in JSON; the member of `x-chosen-by` at the same place tells which is meant. */
export const SignRequest = Type.Unsafe<SignPathRequest | SignDigestRequest | SignBatchRequest | SignAgainRequest>({
  $id: 'SignRequest',
  anyOf: [refTo(SignPathRequest), refTo(SignDigestRequest), refTo(SignBatchRequest), refTo(SignAgainRequest)],
  'x-chosen-by': ['path', 'digest', 'items', 'id'],
  description: 'What to sign: by `path`, by `digest`, many `items` by their digests, or again what the signature `id` covers.',
})
export type SignRequest = Static<typeof SignRequest>

export const Warning = Type.Object(
  {
    code: Type.Enum(['SIGNATURE_UNVERIFIED', 'CONTENT_NOT_SEEN', 'NO_PACKAGES', 'DSB_WITHOUT_PRECEDENT', 'KEY_NOT_ACCEPTED', 'KEY_RETIRING', 'KEY_EXPIRES_SOON', 'KEY_EXPIRED', 'KEY_RETIRED'], { type: 'string' }),
    detail: Type.String(),
  },
  { $id: 'Warning', additionalProperties: false, description: 'Something that did not stop the request but that a person should know.' },
)
export type Warning = Static<typeof Warning>

export const BatchOutcome = Type.Object(
  { filename: Type.String(), signature: Type.Optional(refTo(Signature)), problem: Type.Optional(refTo(Problem)) },
  { $id: 'BatchOutcome', additionalProperties: false, description: 'What became of one item: `signature` or `problem`.' },
)
export type BatchOutcome = Static<typeof BatchOutcome>

export const BatchAnswer = Type.Object(
  { items: Type.Array(refTo(BatchOutcome), { description: 'In the order of the request.' }), warnings: Type.Array(refTo(Warning)) },
  { $id: 'BatchAnswer', additionalProperties: false, description: 'The outcome of each item.' },
)
export type BatchAnswer = Static<typeof BatchAnswer>

export const SignAnswer = Type.Object(
  {
    path: Type.String({ description: 'The path as the request named it.' }),
    files: Type.Array(Type.String(), { description: 'Every name of the listing in name order, skipped entries too; each is in exactly one of the maps.' }),
    signatures: mapOf(Signature, 'Signatures by name.'),
    failures: mapOf(Problem, 'Problems by name.'),
    skipped: mapOf(SkipReason, 'Reasons by name.'),
    warnings: Type.Array(refTo(Warning)),
  },
  {
    $id: 'SignAnswer',
    additionalProperties: false,
    description: 'The outcome for each name of the listing.',
    examples: [
      {
        path: '/export/nim/lpp_source/installp/ppc',
        files: ['.toc', 'PkgA.1.0.0.0.bff'],
        signatures: { 'PkgA.1.0.0.0.bff': exampleSignature },
        failures: {},
        skipped: { '.toc': 'TOC' },
        warnings: [],
      },
    ],
  },
)
export type SignAnswer = Static<typeof SignAnswer>

const event = <const Name extends string>(name: Name) => Type.Unsafe<Name>({ type: 'string', const: name })
const name = Type.String({ description: 'A name of the listing.' })
const closed = { additionalProperties: false } as const

export const SignEvent = Type.Union(
  [
    Type.Object({ event: event('listing'), kind: Type.Enum(['file', 'directory'], { type: 'string', description: 'What the path is.' }), path: Type.String(), files: Type.Array(Type.String()) }, closed),
    Type.Object({ event: event('signature'), name, signature: refTo(Signature) }, closed),
    Type.Object({ event: event('failure'), name, problem: refTo(Problem) }, closed),
    Type.Object({ event: event('skipped'), name, reason: refTo(SkipReason) }, closed),
    Type.Object({ event: event('warning'), warning: refTo(Warning) }, closed),
    Type.Object({ event: event('end'), signed: Type.Integer(), failed: Type.Integer(), skipped: Type.Integer() }, closed),
  ],
  {
    $id: 'SignEvent',
    description: 'One line of the NDJSON answer. `listing` comes first, `end` last: an answer without `end` was cut off.',
    examples: [{ event: 'skipped', name: '.toc', reason: 'TOC' }],
  },
)
export type SignEvent = Static<typeof SignEvent>
