import { Type, type Static } from 'typebox'
import { refTo } from './reference.ts'

/**
 * The algorithms a key may have: RSASSA-PKCS1-v1_5 with SHA-256, which every AIX and OpenSSL 1.0.2 verify; and three that sign whole
 * files alone, for detached signatures.
 */
export const SIGNING_ALGORITHMS = ['rsa-2048-sha256', 'rsa-3072-sha256', 'rsa-4096-sha256', 'ecdsa-p256-sha256', 'ed25519', 'ml-dsa-65'] as const

export const SigningAlgorithm = Type.Enum(SIGNING_ALGORITHMS, {
  $id: 'SigningAlgorithm',
  type: 'string',
  description:
    'RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017) and the modulus length; or, for detached signatures of whole files alone, ECDSA on P-256 with SHA-256 (DER), Ed25519 (RFC 8032), ML-DSA-65 (FIPS 204).',
})
export type SigningAlgorithm = Static<typeof SigningAlgorithm>

export const Acceptance = Type.Object(
  {
    verdict: Type.Enum(['yes', 'no', 'unknown'], { type: 'string', description: '`unknown`: nothing is published that would tell.' }),
    because: Type.String({ description: 'Why, as a sentence.' }),
  },
  { $id: 'Acceptance', additionalProperties: false, description: 'Whether signatures are accepted.' },
)
export type Acceptance = Static<typeof Acceptance>

export const AcceptedBy = Type.Object(
  {
    'aix-7.2-tl4-dsc': refTo(Acceptance),
    'aix-7.2-tl4-dsb': refTo(Acceptance),
    'aix-7.3-dsc': refTo(Acceptance),
    'aix-7.3-dsb': refTo(Acceptance),
    'openssl-1.0.2': refTo(Acceptance),
  },
  {
    $id: 'AcceptedBy',
    additionalProperties: false,
    description: 'Who accepts signatures of this key: AIX in its Digital Signature Catalog (`dsc`) and in a Digital Signature Block (`dsb`), OpenSSL 1.0.2 as a detached signature. docs/acceptance.md has the sources.',
  },
)
export type AcceptedBy = Static<typeof AcceptedBy>

/** The states of a key. `retiring` signs as `active` does. */
export const KEY_STATES = ['active', 'retiring', 'retired', 'revoked'] as const

export const KeyState = Type.Enum(KEY_STATES, {
  $id: 'KeyState',
  type: 'string',
  description: '`active`: signs. `retiring`: signs, and a successor takes over. `retired`: signs no more; what it signed stays valid. `revoked`: signs no more, and nothing it signed is valid.',
})
export type KeyState = Static<typeof KeyState>

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

const time = (description: string) => Type.String({ format: 'date-time', description })

export const Key = Type.Object(
  {
    keyid: refTo(Keyid),
    kind: Type.Enum(['file', 'pkcs12', 'pkcs11', 'public', 'command'], { type: 'string', description: '`file`: the server holds the key, from a PKCS#8 file; `pkcs12`: from a keystore; `pkcs11`: a token does, and the server asks it to sign; `public`: nobody any more, it is there for what it signed; `command`: the wrapped command does.' }),
    algorithm: refTo(SigningAlgorithm),
    covers: Type.Enum(['file', 'unverified'], {
      type: 'string',
      description: '`file`: every signature is verified over the whole file before it leaves. `unverified`: what the wrapped command signs is not known.',
    }),
    publicKeyPem: Type.String({ description: 'SubjectPublicKeyInfo in PEM, as `openssl dgst -verify` takes it.' }),
    spkiSha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the DER SubjectPublicKeyInfo, hexadecimal.' }),
    installedPath: Type.Optional(Type.String({ description: 'Where the public key lies on the AIX targets.' })),
    state: refTo(KeyState),
    notBefore: Type.Optional(time('From when on it signs.')),
    notAfter: Type.Optional(time('When it stops signing.')),
    certificateNotAfter: Type.Optional(time('When its certificate ends, where it has one; that stops nothing.')),
    successor: Type.Optional(refTo(Keyid)),
    revokedAt: Type.Optional(time('Since when it is revoked.')),
    revocationReason: Type.Optional(Type.String({ description: 'Why it is revoked.' })),
    acceptedBy: refTo(AcceptedBy),
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
        state: 'active',
        notAfter: '2028-01-01T00:00:00.000Z',
        successor: '1002',
        acceptedBy: {
          'aix-7.2-tl4-dsc': { verdict: 'unknown', because: 'which bytes AIX wants signed is not published' },
          'aix-7.2-tl4-dsb': { verdict: 'unknown', because: 'the block is documented for AIX 7.3' },
          'aix-7.3-dsc': { verdict: 'unknown', because: 'which bytes AIX wants signed is not published' },
          'aix-7.3-dsb': { verdict: 'yes', because: 'the published block holds such a signature' },
          'openssl-1.0.2': { verdict: 'yes', because: 'openssl dgst knows it' },
        },
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
