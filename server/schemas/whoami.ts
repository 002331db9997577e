import { Type, type Static } from 'typebox'
import { Keyid } from './key.ts'
import { refTo } from './reference.ts'

/** The operations a policy can allow: the operationIds of the document. `whoami` is allowed to every listed client. */
export const OPERATIONS = ['sign', 'listFiles', 'verify', 'findSignatures', 'getSignature', 'exportSignature', 'getCheckpoint', 'getTile', 'getLogKey', 'auditLog', 'listKeys', 'getKey', 'exportKey', 'whoami'] as const

export const Operation = Type.Enum(OPERATIONS, { $id: 'Operation', type: 'string', description: 'An operationId of this document.' })
export type Operation = Static<typeof Operation>

export const Whoami = Type.Object(
  {
    name: Type.String({ description: 'The name the configuration gives this client.' }),
    sans: Type.Array(Type.String(), { description: 'Subject alternative names of the certificate, such as `URI:urn:example:release-bot`.' }),
    spkiSha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the DER SubjectPublicKeyInfo, hexadecimal.' }),
    notAfter: Type.String({ format: 'date-time', description: 'When the certificate expires.' }),
    allow: Type.Array(refTo(Operation)),
    keys: Type.Array(refTo(Keyid)),
    roots: Type.Array(Type.String(), { description: 'Names of the roots.' }),
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
      },
    ],
  },
)
export type Whoami = Static<typeof Whoami>
