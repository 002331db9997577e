import { Type, type Static } from 'typebox'
import { Format } from './format.ts'
import { Keyid } from './key.ts'
import { refTo } from './reference.ts'

/** The operations a policy can allow: the operationIds of the document. `whoami` is allowed to every listed client. */
export const OPERATIONS = ['sign', 'listFiles', 'verify', 'findSignatures', 'getSignature', 'exportSignature', 'getCheckpoint', 'getTile', 'getLogKey', 'auditLog', 'listKeys', 'getKey', 'exportKey', 'whoami'] as const

export const Operation = Type.Enum(OPERATIONS, { $id: 'Operation', type: 'string', description: 'An operationId of this document.' })
export type Operation = Static<typeof Operation>

const most = (description: string) => Type.Integer({ minimum: 1, description })
const left = (description: string) => Type.Integer({ minimum: 0, description })

export const ClientLimits = Type.Object(
  {
    formats: Type.Optional(Type.Array(refTo(Format), { description: 'Formats it may have signed, of those that the server accepts.' })),
    filesets: Type.Optional(Type.Array(Type.String(), { description: 'Filesets it may have signed; `*` stands for any run of characters.' })),
    maxFileBytes: Type.Optional(most('Largest file it may have signed or verified.')),
    notBefore: Type.Optional(Type.String({ format: 'date-time', description: 'It may do nothing earlier.' })),
    notAfter: Type.Optional(Type.String({ format: 'date-time', description: 'It may do nothing from then on.' })),
    windowSeconds: Type.Optional(most('The window of time that `requests` and `bytes` are about.')),
    requests: Type.Optional(most('Requests within a window.')),
    bytes: Type.Optional(most('Bytes within a window, sent or read for it from the roots.')),
    concurrency: Type.Optional(most('Requests at once.')),
    maxSignatures: Type.Optional(most('Signatures that may be made for it in all.')),
  },
  { $id: 'ClientLimits', additionalProperties: false, description: 'What bounds a client beside the lists; what is not here is not bounded for this client alone.' },
)

export type ClientLimits = Static<typeof ClientLimits>

export const LeftOver = Type.Object(
  {
    requests: Type.Optional(left('Requests in this window.')),
    bytes: Type.Optional(left('Bytes in this window.')),
    resetSeconds: Type.Optional(left('Until the window ends; where nothing is left, until something is.')),
    concurrency: Type.Optional(left('Requests that may run beside this one.')),
    signatures: Type.Optional(left('Signatures.')),
  },
  { $id: 'LeftOver', additionalProperties: false, description: 'What is left of those limits that are used up. The window is that of the replica that answers.' },
)

export type LeftOver = Static<typeof LeftOver>

export const Whoami = Type.Object(
  {
    name: Type.String({ description: 'The name the configuration gives this client.' }),
    sans: Type.Array(Type.String(), { description: 'Subject alternative names of the certificate, such as `URI:urn:example:release-bot`.' }),
    spkiSha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the DER SubjectPublicKeyInfo, hexadecimal.' }),
    notAfter: Type.String({ format: 'date-time', description: 'When the certificate expires.' }),
    allow: Type.Array(refTo(Operation)),
    keys: Type.Array(refTo(Keyid)),
    roots: Type.Array(Type.String(), { description: 'Names of the roots.' }),
    digestOnly: Type.Boolean({ description: 'Whether it may have a digest signed whose file the server never saw.' }),
    resign: Type.Boolean({ description: 'Whether it may have other content signed under a level that was signed before.' }),
    sees: Type.Enum(['own', 'all'], { type: 'string', description: 'Whose signatures it may look up.' }),
    limits: refTo(ClientLimits),
    left: refTo(LeftOver),
  },
  {
    $id: 'Whoami',
    additionalProperties: false,
    description: 'Who the server takes the client for, and what it may do.',
    examples: [
      {
        name: 'release-bot',
        sans: ['URI:urn:example:release-bot'],
        spkiSha256: '2e3784834c7ea56cf7a380a8636120f723075b0cbfe16b5a3426d69f65f5b82c',
        notAfter: '2028-02-27T09:00:00.000Z',
        allow: ['sign', 'listFiles'],
        keys: ['1001'],
        roots: ['nim'],
        digestOnly: false,
        resign: false,
        sees: 'own',
        limits: { filesets: ['PkgA.*'], notAfter: '2026-12-01T00:00:00Z', windowSeconds: 60, requests: 600, maxSignatures: 3 },
        left: { requests: 599, resetSeconds: 60, signatures: 2 },
      },
    ],
  },
)
export type Whoami = Static<typeof Whoami>
