import { Type, type Static } from 'typebox'
import { refTo } from './reference.ts'

/** The algorithms a key may have: RSASSA-PKCS1-v1_5 with SHA-256, which every AIX and OpenSSL 1.0.2 verify. */
export const SIGNING_ALGORITHMS = ['rsa-2048-sha256', 'rsa-3072-sha256', 'rsa-4096-sha256'] as const

export const SigningAlgorithm = Type.Enum(SIGNING_ALGORITHMS, {
  $id: 'SigningAlgorithm',
  type: 'string',
  description: 'RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017) and the modulus length.',
})
export type SigningAlgorithm = Static<typeof SigningAlgorithm>

export const Keyid = Type.String({
  $id: 'Keyid',
  pattern: '^[0-9]{1,10}$',
  description: 'Identifier of the key that checks the record: `dsc_key.id` on AIX, one to ten decimal digits.',
  examples: ['1001'],
})
export type Keyid = Static<typeof Keyid>

/** What can be installed of a key on a target. */
export const KEY_FORMS = ['public.pem', 'certificate.pem'] as const

export const KeyForm = Type.Enum(KEY_FORMS, { $id: 'KeyForm', type: 'string', description: '`public.pem`: SubjectPublicKeyInfo; `certificate.pem`: a certificate, where the configuration names one.' })
export type KeyForm = Static<typeof KeyForm>

export const Key = Type.Object(
  {
    keyid: refTo(Keyid),
    kind: Type.Enum(['file', 'pkcs11', 'command'], { type: 'string', description: '`file`: the server holds the key; `pkcs11`: a token does, and the server asks it to sign; `command`: the wrapped command does.' }),
    algorithm: refTo(SigningAlgorithm),
    covers: Type.Enum(['file', 'unverified'], {
      type: 'string',
      description: '`file`: every signature is verified over the whole file before it leaves. `unverified`: what the wrapped command signs is not known.',
    }),
    publicKeyPem: Type.String({ description: 'SubjectPublicKeyInfo in PEM, as `openssl dgst -verify` takes it.' }),
    spkiSha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the DER SubjectPublicKeyInfo, hexadecimal.' }),
    installedPath: Type.Optional(Type.String({ description: 'Where the public key lies on the AIX targets.' })),
  },
  {
    $id: 'Key',
    additionalProperties: false,
    description: 'The public part of a signing key.',
    examples: [
      {
        keyid: '1001',
        kind: 'file',
        algorithm: 'rsa-2048-sha256',
        covers: 'file',
        publicKeyPem: '-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A…\n-----END PUBLIC KEY-----\n',
        spkiSha256: '2e3784834c7ea56cf7a380a8636120f723075b0cbfe16b5a3426d69f65f5b82c',
        installedPath: '/etc/security/certificates/example.pem',
      },
    ],
  },
)
export type Key = Static<typeof Key>

export const KeyList = Type.Object(
  { keys: Type.Array(refTo(Key)) },
  { $id: 'KeyList', additionalProperties: false, description: 'The keys this client may use, in the order of the configuration.' },
)
export type KeyList = Static<typeof KeyList>
