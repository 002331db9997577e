import { Type, type Static } from 'typebox'
import { ACCEPTABLE_FORMATS } from '../schemas/format.ts'
import { Client } from './client-schema.ts'
import { KeyEntry } from './key-schema.ts'
import { closed, environment, filePath, host, kind, name, port, positive, section, text, type DeepReadonly } from './schema-parts.ts'

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

const Limits = section(
  {
    fileBytes: positive(17_179_869_184, 'Largest file that is signed.'),
    wholeFileBytes: positive(67_108_864, 'Largest file that a key signs which takes no digest (ECDSA, Ed25519, ML-DSA-65): it is held in memory as a whole, once for each core at most.', 1_073_741_824),
    directoryEntries: positive(20_000, 'Longest directory that is listed or signed, subdirectories included when recursive.', 1_000_000),
    bodyBytes: positive(4_194_304, 'Largest JSON body; a thousand digests with their filesets need most.', 16_777_216),
    connections: positive(1_000, 'Connections at once on each service port.', 65_535),
    handshakesPerAddress: positive(500, 'Connections of one address (of IPv6: the first 64 bits) on each service port that have not shown a certificate yet. Fewer than `connections`, so that one host cannot take all places; behind a load balancer every client has its address.', 65_535),
    handshakeMs: positive(10_000, 'Time for a TLS handshake.', 600_000),
    requestMs: positive(30_000, 'Time for a request to arrive, headers and body. An upload may take longer, but not pause for so long.', 3_600_000),
    idleMs: positive(75_000, 'How long an idle connection is kept.', 3_600_000),
    uploads: positive(8, 'Uploads at once, from their first byte until they are signed; one more is answered SERVER_BUSY.', 1_000),
    waitingFiles: positive(512, 'How many requests for single files or digests may wait for their turn; one more is answered SERVER_BUSY with Retry-After, but for a client that has less than its share of the line.', 1_000_000),
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
    keys: Type.Array(KeyEntry, { minItems: 1, description: 'The signing keys.' }),
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
    store: section(
      {
        url: Type.String({
          pattern: '^(?:sqlite:|postgres(?:ql)?://)[^\\u0000-\\u001f\\u007f]+$',
          default: 'sqlite:var/signing.db',
          description:
            '`sqlite:` and the path of a file on a local disk; or `postgres://USER@HOST:PORT/DATABASE`, for several replicas. With `?sslmode=`: `verify-full` (the default), `require` (encrypted, whoever answers), `disable`. A folder of sockets is a host with `%2F` for each slash, and has no TLS.',
        }),
        passwordFile: Type.Optional(filePath('secret', 'The password of the user in PostgreSQL: the first line of this file, read again at each connection. A file that others may read is refused.')),
        ca: Type.Optional(filePath('file', 'Certificates of the authorities that PostgreSQL\'s certificate must come from, PEM. Default: those that Node knows.')),
      },
      'Where signatures, log and answers are kept.',
    ),
    transparencyLog: section(
      {
        origin: Type.String({ pattern: '^[\\x21-\\x2a\\x2c-\\x7e]{1,200}$', default: 'signing-server/log', description: 'Name of the log in its checkpoints: unique, such as `signing.example.com/log`, and never changed.' }),
        key: text('Private key of the log, Ed25519, PKCS#8 PEM; made at the first start where there is none. Replicas share it.', { pathRole: 'made', default: 'var/log.key' }),
      },
      'The tamper-evident log of everything that is signed and refused.',
    ),
    idempotency: section(
      { keepMs: positive(86_400_000, 'How long an answer is kept for a request that carries an Idempotency-Key.', 31_536_000_000) },
      'Requests that may be repeated.',
    ),
    signatureFile: Type.Optional(filePath('made', 'Every record is also appended to this signature file, one write per package.')),
    limits: Limits,
    reload: section(
      { pollMs: Type.Integer({ minimum: 0, maximum: 3_600_000, default: 1_000, description: 'How often the configuration and the files that it names are looked at; what was changed is taken up, whole or not at all. 0: never, only SIGHUP reloads.' }) },
      'Taking up changes while the server runs (docs/reload.md).',
    ),
    shutdown: section({ deadlineMs: positive(30_000, 'How long running requests may take after SIGTERM.', 3_600_000) }, 'Stopping.'),
    log: section({ level: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent'], { type: 'string', default: 'info', description: 'Least severity that is logged.' }) }, 'The log, JSON lines on stderr.'),
  },
  'Configuration of the signing server.',
)
export type ConfigFile = Static<typeof ConfigFile>

export type EmbeddedSignerConfig = DeepReadonly<Static<typeof EmbeddedSigner>>
export type CommandSignerConfig = DeepReadonly<Static<typeof CommandSigner>>
export type ClientConfig = DeepReadonly<Static<typeof Client>>
export type LimitsConfig = DeepReadonly<Static<typeof Limits>>
