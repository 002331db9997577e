import { Type, type Static, type TProperties } from 'typebox'
import { ACCEPTABLE_FORMATS } from '../schemas/format.ts'
import { OPERATIONS } from '../schemas/whoami.ts'

/**
 * What a path in the configuration is for, so that the loader can make it absolute and report what is missing with its line:
 * `file` and `secret` must be readable files (a secret by its owner alone), a `directory` must exist, what is `made` need not.
 */
export type PathRole = 'file' | 'secret' | 'directory' | 'made'

/** Something without control characters: a NUL ends a path for the system, a line break a line of a message. */
export const PRINTABLE = '^[^\\u0000-\\u001f\\u007f]+$'

const closed = <T extends TProperties>(properties: T, description: string) => Type.Object(properties, { additionalProperties: false, description })
const section = <T extends TProperties>(properties: T, description: string) => Type.Object(properties, { additionalProperties: false, default: {}, description })
const text = (description: string, options: object = {}) => Type.String({ maxLength: 4096, pattern: PRINTABLE, description, ...options })
const filePath = (pathRole: PathRole, description: string) => text(description, { pathRole })
const name = (description: string) => Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$', description })
const keyid = (description: string) => Type.String({ pattern: '^[0-9]{1,10}$', description })
const host = (description: string) => Type.String({ pattern: '^[A-Za-z0-9._:%-]{1,255}$', default: '127.0.0.1', description })
const port = (fallback: number, description: string) => Type.Integer({ minimum: 0, maximum: 65535, default: fallback, description: `${description} 0 takes a free one.` })
const positive = (fallback: number, description: string, maximum = Number.MAX_SAFE_INTEGER) => Type.Integer({ minimum: 1, maximum, default: fallback, description })
const kind = <const K extends string>(value: K, description: string) => Type.Unsafe<K>({ type: 'string', const: value, description })

const Listen = section(
  {
    host: host('Address of the two service ports.'),
    port: port(6000, 'The service port. 6000 is a bad port of the fetch standard: browsers and fetch refuse it, curl and the SDK do not.'),
    browserPort: port(6443, 'A second port with the same rules for browsers and fetch.'),
  },
  'Where the service listens.',
)

const Admin = section(
  {
    host: host('Address of the administration port; it has no TLS and no authentication, so keep it on loopback.'),
    port: port(6001, 'Health and metrics, GET only.'),
  },
  'The administration listener.',
)

const Tls = closed(
  {
    cert: filePath('file', 'Certificate chain of the server, PEM.'),
    key: filePath('secret', 'Its private key, PEM. A file that others may read is refused.'),
    clientCa: filePath('file', 'Certificates of the authorities whose clients may connect, PEM.'),
    crl: Type.Optional(filePath('file', 'Certificate revocation lists of those authorities, PEM. An expired list lets nobody in.')),
  },
  'TLS 1.3 with a client certificate is demanded on both service ports.',
)

const Root = closed(
  { name: name('How policy, log and catalogue call it.'), path: filePath('directory', 'The directory.') },
  'A directory below which clients may name files.',
)

const installedPath = Type.Optional(
  Type.String({
    pattern: '^/[\\x21-\\x7e]{1,254}$',
    description: 'Where the public key lies on the AIX targets; a Digital Signature Block names it. Below `dsb.keyDirectory`.',
  }),
)
const certificate = Type.Optional(filePath('file', 'A certificate of this key, PEM, for targets that want one.'))

const environment = (description: string) =>
  Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String({ pattern: '^[^\\u0000]*$' }), { additionalProperties: false, default: {}, description })

const FileKey = closed(
  {
    keyid: keyid('Identifier of the key that checks the record: `dsc_key.id` on AIX.'),
    kind: kind('file', 'The server holds the key.'),
    path: filePath('secret', 'RSA private key of 2048, 3072 or 4096 bits, PKCS#8 PEM. A file that others may read is refused.'),
    passphraseFile: Type.Optional(filePath('secret', 'The passphrase of an encrypted key: the first line of this file. A file that others may read is refused.')),
    installedPath,
    certificate,
  },
  'A key in a file.',
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
  },
  'The key behind the wrapped command.',
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
  },
  'A key in a PKCS#11 token; docs/pkcs11.md sets one up.',
)

const EmbeddedSigner = closed(
  {
    kind: kind('embedded', 'The server makes the records itself.'),
    timestamp: section(
        {
          syntax: Type.Enum(['epoch', 'yyyymmddhhmmss'], { type: 'string', default: 'epoch', description: 'Seconds since 1970, or 14 digits in UTC.' }),
          source: Type.Enum(['build', 'lppName', 'signing'], {
            type: 'string',
            default: 'build',
            description: 'Date of the volume record, modification time of `lpp_name`, or time of signing.',
          }),
        },
        'The timestamp of the records.',
      ),
  },
  'Signs without a command.',
)

const CommandSigner = closed(
  {
    kind: kind('command', 'A program in the manner of create_pkgsign makes the records.'),
    command: Type.Array(text('The program, or an argument.'), {
      minItems: 1,
      description: 'The program and extra arguments that come before `-a infile=…`. A name without a slash is looked up in PATH of `environment`, else of the server.',
    }),
    passin: Type.Optional(text('Absolute path of the password file, handed on as `-a passin=…`.')),
    environment: environment('The whole environment of the command; nothing of the server\'s own is inherited but PATH, LANG and ODMDIR, where set.'),
    timeoutMs: positive(60_000, 'After this time the whole process group is killed.', 3_600_000),
    concurrency: positive(2, 'How many run at once.', 64),
    waiting: Type.Integer({ minimum: 0, maximum: 100_000, default: 64, description: 'How many may wait for their turn; one more is answered SIGNER_BUSY.' }),
    outputBytes: positive(1_048_576, 'Most bytes of the signature file, and of what the command prints.', 67_108_864),
    workDir: Type.Optional(filePath('directory', 'Where each run gets its private folder; needs room for a copy of the packages being signed. Default: the system\'s temporary folder.')),
  },
  'Wraps create_pkgsign.',
)

const Client = closed(
  {
    name: name('How log and catalogue call it.'),
    match: Type.Union(
      [
        closed({ san: Type.String({ pattern: '^(?:URI|DNS|email|IP Address):.+$', description: 'A subject alternative name, exactly: `URI:…`, `DNS:…`, `email:…`, `IP Address:…`.' }) }, 'By name.'),
        closed({ spkiSha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the DER SubjectPublicKeyInfo, hexadecimal.' }) }, 'By public key.'),
      ],
      { description: 'Which certificate it is: `san` or `spkiSha256`, compared exactly.' },
    ),
    allow: Type.Array(Type.Enum(OPERATIONS, { type: 'string' }), { uniqueItems: true, description: 'Operations it may call. Empty: none.' }),
    keys: Type.Array(keyid('A keyid.'), { uniqueItems: true, description: 'Keys it may use. Empty: none.' }),
    roots: Type.Array(name('A root.'), { uniqueItems: true, description: 'Roots it may name files in. Empty: none.' }),
    digestOnly: Type.Boolean({ default: false, description: 'Whether it may have a digest signed whose file the server never saw.' }),
    sees: Type.Enum(['own', 'all'], { type: 'string', default: 'own', description: 'Whose signatures it may look up, and be told the client of.' }),
  },
  'A client and what it may do.',
)

const Limits = section(
  {
    fileBytes: positive(17_179_869_184, 'Largest file that is signed.'),
    directoryEntries: positive(20_000, 'Longest directory that is listed or signed, subdirectories included when recursive.', 1_000_000),
    bodyBytes: positive(4_194_304, 'Largest JSON body; a thousand digests with their filesets need most.', 16_777_216),
    connections: positive(1_000, 'Connections at once on each service port.', 65_535),
    handshakeMs: positive(10_000, 'Time for a TLS handshake.', 600_000),
    requestMs: positive(30_000, 'Time for a request to arrive, headers and body. An upload may take longer, but not pause for so long.', 3_600_000),
    idleMs: positive(75_000, 'How long an idle connection is kept.', 3_600_000),
    uploads: positive(8, 'Uploads at once, from their first byte until they are signed; one more is answered SERVER_BUSY.', 1_000),
    waitingFiles: positive(10_000, 'How many files may wait for a worker thread; one more is answered SERVER_BUSY.', 1_000_000),
  },
  'What is refused, with the limit named.',
)

/** The configuration file with its defaults filled in. docs/configuration.md is generated from here. */
export const ConfigFile = closed(
  {
    listen: Listen,
    admin: Admin,
    tls: Tls,
    roots: Type.Array(Root, { description: 'Directories that clients may name files in.' }),
    keys: Type.Array(Type.Union([FileKey, Pkcs11Key, CommandKey]), { minItems: 1, description: 'The signing keys.' }),
    signer: Type.Union([EmbeddedSigner, CommandSigner], { default: { kind: 'embedded' }, description: 'Who makes the records.' }),
    clients: Type.Array(Client, { description: 'Who may do what. A client that is not listed may do nothing.' }),
    formats: section(
      {
        accept: Type.Array(Type.Enum(ACCEPTABLE_FORMATS, { type: 'string' }), {
          uniqueItems: true,
          default: ['installp', 'compress', 'rpm'],
          description:
            'Formats that are signed, recognised by content. `installp` packages get signature records, everything else a detached signature: `compress` is what interim fixes (`.epkg.Z`) are, `other` whatever is not recognised.',
        }),
      },
      'What is signed.',
    ),
    dsb: section(
      {
        keyDirectory: Type.String({ pattern: '^/(?:[A-Za-z0-9._-]+/)+$', default: '/etc/security/certificates/', description: 'Directory on the targets below which every `installedPath` must lie. AIX looks nowhere else by default.' }),
        allowRsa3072: Type.Boolean({ default: true, description: 'Whether RSA-3072 signatures may stand in a Digital Signature Block, padded with NULs. No published block shows one, so each answer warns.' }),
      },
      'Digital Signature Blocks.',
    ),
    uploadDir: Type.Optional(filePath('directory', 'Where uploads lie, without a name, while they are signed. Default: the system\'s temporary folder.')),
    store: section({ url: Type.String({ pattern: '^sqlite:[^\\u0000-\\u001f\\u007f]+$', default: 'sqlite:var/signing.db', description: '`sqlite:` and the path of the catalogue.' }) }, 'Where signatures are kept.'),
    signatureFile: Type.Optional(filePath('made', 'Every record is also appended to this signature file, one write per package.')),
    limits: Limits,
    shutdown: section({ deadlineMs: positive(30_000, 'How long running requests may take after SIGTERM.', 3_600_000) }, 'Stopping.'),
    log: section({ level: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent'], { type: 'string', default: 'info', description: 'Least severity that is logged.' }) }, 'The log, JSON lines on stderr.'),
  },
  'Configuration of the signing server.',
)
export type ConfigFile = Static<typeof ConfigFile>

/** A value that nobody may change, all the way down. */
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T

export type FileKeyConfig = DeepReadonly<Static<typeof FileKey>>
export type Pkcs11KeyConfig = DeepReadonly<Static<typeof Pkcs11Key>>
export type CommandKeyConfig = DeepReadonly<Static<typeof CommandKey>>
export type EmbeddedSignerConfig = DeepReadonly<Static<typeof EmbeddedSigner>>
export type CommandSignerConfig = DeepReadonly<Static<typeof CommandSigner>>
export type ClientConfig = DeepReadonly<Static<typeof Client>>
export type LimitsConfig = DeepReadonly<Static<typeof Limits>>
