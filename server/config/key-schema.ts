import { Type, type Static } from 'typebox'
import { KEY_STATES } from '../schemas/key.ts'
import { closed, environment, filePath, keyid, kind, positive, PRINTABLE, text, time, type DeepReadonly } from './schema-parts.ts'

const installedPath = Type.Optional(
  Type.String({
    pattern: '^/[\\x21-\\x7e]{1,254}$',
    description: 'Where the public key lies on the AIX targets; a Digital Signature Block names it. Below `dsb.keyDirectory`.',
  }),
)
const certificate = Type.Optional(filePath('file', 'A certificate of this key, PEM, for targets that want one.'))

const passphrase = {
  passphraseFile: Type.Optional(filePath('secret', 'The passphrase of an encrypted key: the first line of this file. A file that others may read is refused.')),
  passphraseFd: Type.Optional(
    Type.Integer({ minimum: 3, maximum: 1_048_576, description: 'Instead of `passphraseFile`: the first line of what whoever starts the server has opened as this descriptor. It is read to its end, once at the start, and closed.' }),
  ),
} as const

const life = {
  state: Type.Optional(Type.Enum(KEY_STATES, { type: 'string', description: '`active` (also without it) and `retiring` sign; `retired` signs no more and what it signed stays valid; of a `revoked` key nothing is valid any more.' })),
  notBefore: Type.Optional(time('It does not sign earlier.')),
  notAfter: Type.Optional(time('It signs no more from then on; answers, log and metrics warn 90, 30 and 7 days before.')),
  successor: Type.Optional(keyid('The key that takes over; refusals and warnings name it. While this key is `retiring` and signs, both sign, for whoever may use both.')),
  revokedAt: Type.Optional(time('Since when it is `revoked`.')),
  revocationReason: Type.Optional(Type.String({ maxLength: 200, pattern: PRINTABLE, description: 'Why it is `revoked`, as clients are told.' })),
} as const

const FileKey = closed(
  {
    keyid: keyid('Identifier of the key that checks the record: `dsc_key.id` on AIX.'),
    kind: kind('file', 'The server holds the key.'),
    path: filePath('secret', 'Private key, PKCS#8 PEM: RSA of 2048, 3072 or 4096 bits; or, for detached signatures alone, ECDSA P-256, Ed25519 or ML-DSA-65. A file that others may read is refused.'),
    ...passphrase,
    installedPath,
    certificate,
    ...life,
  },
  'A key in a file.',
)

const Pkcs12Key = closed(
  {
    keyid: keyid('Identifier of the key that checks the record: `dsc_key.id` on AIX.'),
    kind: kind('pkcs12', 'The server holds the key, from a keystore.'),
    path: filePath('secret', 'PKCS#12 keystore, encrypted with AES, 3DES or RC2, with a key as under `kind: file`. A file that others may read is refused. A certificate of the key that is in it needs no `certificate`.'),
    alias: Type.Optional(text('Which key of several: its alias (friendly name), whatever the case.')),
    ...passphrase,
    installedPath,
    certificate,
    ...life,
  },
  'A key in a PKCS#12 keystore. It needs a `passphraseFile` or a `passphraseFd`.',
)

const Pkcs11Key = closed(
  {
    keyid: keyid('Identifier of the key that checks the record: `dsc_key.id` on AIX.'),
    kind: kind('pkcs11', 'A PKCS#11 token holds the key.'),
    module: filePath('file', 'The PKCS#11 library of the token\'s vendor. It is loaded in a process of its own, never in the server.'),
    token: Type.Union(
      [
        closed({ label: text('Label of the token.') }, 'By label.'),
        closed({ serial: text('Serial number of the token.') }, 'By serial number.'),
        closed({ slot: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Number of its slot; with some libraries it changes when tokens come and go.' }) }, 'By slot.'),
      ],
      { description: 'Which token it is: `label`, `serial` or `slot`. Exactly one token must fit. Keys of one `module` name their tokens all in the same way, and those of one token agree in the members from `pinFile` to `environment`, but for `publicKey` and `extractable`.' },
    ),
    key: closed(
      {
        label: Type.Optional(text('Label of the key, CKA_LABEL.')),
        id: Type.Optional(Type.String({ pattern: '^(?:[0-9a-f]{2}){1,255}$', description: 'Identifier of the key, CKA_ID, hexadecimal in lower case.' })),
      },
      'Which key of the token it is: `label`, `id` or both. Exactly one private key must fit.',
    ),
    pinFile: filePath('secret', 'The PIN of the token\'s user: the first line of this file. A file that others may read is refused. A PIN that the token refuses is not tried again until this file changes.'),
    publicKey: Type.Optional(filePath('file', 'The public key, PEM (SubjectPublicKeyInfo or certificate). Default: the public key or certificate in the token that fits `key`, when it can be read without the PIN.')),
    extractable: Type.Boolean({ default: false, description: 'Whether a key is accepted that may leave its token (CKA_EXTRACTABLE, or not CKA_SENSITIVE).' }),
    sessions: positive(4, 'Sessions at once at most, and so signatures at once.', 64),
    timeoutMs: positive(10_000, 'How long one signature may take, and how long it may wait before that. After it the process is replaced.', 600_000),
    waiting: Type.Integer({ minimum: 0, maximum: 100_000, default: 256, description: 'How many signatures may wait for a session; one more is answered SIGNER_BUSY.' }),
    environment: environment('The whole environment of the process that loads the library, such as `SOFTHSM2_CONF` or what its vendor wants; nothing of the server\'s own is inherited.'),
    installedPath,
    certificate,
    ...life,
  },
  'A key in a PKCS#11 token; docs/pkcs11.md sets one up.',
)

const PublicKey = closed(
  {
    keyid: keyid('Identifier of the key that checks the record: `dsc_key.id` on AIX.'),
    kind: kind('public', 'Nobody holds the key any more.'),
    publicKey: filePath('file', 'The public key, PEM (SubjectPublicKeyInfo or certificate).'),
    installedPath,
    certificate,
    ...life,
    state: Type.Enum(['retired', 'revoked'], { type: 'string', description: 'What a `retired` key signed stays valid; of a `revoked` key nothing is valid any more.' }),
  },
  'A key that signs no more and whose private part is destroyed, or out of reach. It is there for what it signed.',
)

const CommandKey = closed(
  {
    keyid: keyid('The keyid that the records of the command carry.'),
    kind: kind('command', 'The wrapped command holds the key.'),
    publicKey: filePath('file', 'The public key, PEM (SubjectPublicKeyInfo or certificate).'),
    covers: Type.Enum(['file', 'unverified'], {
      type: 'string',
      description: '`file`: every signature is verified over the whole file before it leaves. `unverified`: it is not, and every answer says so.',
    }),
    installedPath,
    certificate,
    ...life,
  },
  'The key behind the wrapped command.',
)

/** A key of the configuration, by `kind`. */
export const KeyEntry = Type.Union([FileKey, Pkcs12Key, Pkcs11Key, PublicKey, CommandKey])

export type FileKeyConfig = DeepReadonly<Static<typeof FileKey>>
export type Pkcs12KeyConfig = DeepReadonly<Static<typeof Pkcs12Key>>
export type Pkcs11KeyConfig = DeepReadonly<Static<typeof Pkcs11Key>>
export type PublicKeyConfig = DeepReadonly<Static<typeof PublicKey>>
export type CommandKeyConfig = DeepReadonly<Static<typeof CommandKey>>
