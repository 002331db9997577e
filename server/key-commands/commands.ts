import { resolve } from 'node:path'
import { Option, type Command } from 'commander'
import { loadConfig } from '../config/load.ts'
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../schemas/key.ts'
import { openLogKey } from '../store/log-key.ts'
import { KeyCommandFault } from './fault.ts'
import { createKey, type KeyOrigin, type NewKeyOptions } from './new-key.ts'
import { revokeKey } from './revoke-key.ts'
import { rotateKey, type Rotated } from './rotate-key.ts'
import { parseDays, parseDescriptor, parseKeyid, parseReason } from './values.ts'

/** Where the commands print: results to `print`, what a person should do next to `note`. Paths are meant from `cwd`. */
export type KeyCommandIo = Readonly<{ print: (text: string) => void; complain: (text: string) => void; cwd: string }>

/** Adds `keys generate|import|rotate|revoke|log-key` to the operator's command. */
export function addKeyCommands(program: Command, io: KeyCommandIo): void {
  const keys = program.command('keys').description('make, import, change and revoke the keys that the server signs with, on its own host')
  addGenerate(keys, io)
  addImport(keys, io)
  addRotate(keys, io)
  addRevoke(keys, io)
  addLogKey(keys, io)
}

/** The flags of whatever writes the files of a key. */
type FileFlags = Readonly<{ out: string; passphraseFile?: string; passphraseFd?: number; subject?: string; days: number; csr?: true; installedPath?: string; config?: string }>

/** The flags that name the file of a key. */
type SourceFlags = Readonly<{ from: string; fromPassphraseFile?: string; fromPassphraseFd?: number; alias?: string; certificate?: string }>

function addGenerate(keys: Command, io: KeyCommandIo): void {
  const command = keys.command('generate').description('make a key, its certificate or a request for one, and the public part for the targets').argument('<keyid>', 'keyid of the new key, one to ten digits', parseKeyid)
  withFileFlags(command.addOption(algorithmOption()))
    .addHelpText('after', examples(
      ['signing-server keys generate 1001 --passphrase-file 1001.passphrase', 'RSA-2048, encrypted; prints what belongs under `keys`'],
      ['signing-server keys generate 1001 --passphrase-fd 3 3< <(your-vault read 1001)', 'the passphrase from a descriptor'],
      ["signing-server keys generate 1002 --algorithm rsa-4096-sha256 --csr --subject 'CN=release signing, O=Example'", 'with a request for an authority'],
      ['signing-server keys generate 1003 --out /etc/signing-server --config /etc/signing-server/signing-server.yaml', 'and add it to the configuration'],
    ))
    .action(async (keyid: string, flags: FileFlags & Readonly<{ algorithm: SigningAlgorithm }>) => {
      await create(keyid, flags, { kind: 'made', algorithm: flags.algorithm }, io)
    })
}

function addImport(keys: Command, io: KeyCommandIo): void {
  const command = keys.command('import').description('take over a key from a PKCS#8 PEM file or a PKCS#12 keystore').argument('<keyid>', 'keyid of the key, one to ten digits', parseKeyid).requiredOption(...FROM)
  withFileFlags(withSourceFlags(command))
    .addHelpText('after', examples(
      ['signing-server keys import 1001 --from old.p12 --from-passphrase-file old.pass --alias release', 'a key and its certificate from a keystore'],
      ['signing-server keys import 1001 --from old.pem --passphrase-file new.pass', 'a plain key, from now on encrypted'],
    ))
    .action(async (keyid: string, flags: FileFlags & SourceFlags) => {
      await create(keyid, withSameSecret(flags), sourceOf(flags, io), io)
    })
}

async function create(keyid: string, flags: FileFlags, origin: KeyOrigin, io: KeyCommandIo): Promise<void> {
  const options = newKeyOptions(keyid, flags, origin, io)
  const { files, text } = await createKey(options)
  io.print(text)
  const { config } = options
  io.complain([
    ...(config === undefined ? ['next: put the lines above under `keys` of the configuration, and'] : [`added to ${config}; next:`]),
    `  1. allow it to clients: "${keyid}" in their \`keys\``,
    `  2. signing-server check-config --config ${config ?? 'FILE'}, and look for "reloaded" in the log of the server (docs/reload.md)`,
    `  3. install ${files.publicKey.path} on the targets (docs/aix.md)`,
    ...(files.request === undefined ? [] : [`  4. send ${files.request.path} to your authority, and name what it issues as \`certificate\` of the key`]),
  ].map((line) => `${line}\n`).join(''))
}

type RotateFlags = FileFlags & Partial<SourceFlags> & Readonly<{ config: string; to: string; overlapDays: number; algorithm?: SigningAlgorithm }>

function addRotate(keys: Command, io: KeyCommandIo): void {
  const command = keys.command('rotate').description('give a key a successor: for some days both sign, then the successor alone')
    .argument('<keyid>', 'the key that is to give way', parseKeyid)
    .addOption(new Option('--to <keyid>', 'its successor: a key of the configuration, or a new one').argParser(parseKeyid).makeOptionMandatory())
    .addOption(new Option('--overlap-days <days>', 'how long both sign').argParser(parseDays).default(30))
    .option('--from <file>', 'take the successor from this file instead of making it: PKCS#8 PEM or PKCS#12')
    .addOption(new Option('--algorithm <name>', 'what a new successor is; rsa-2048-sha256 without it').choices(SIGNING_ALGORITHMS))
  withFileFlags(withSourceFlags(command), true)
    .addHelpText('after', examples(
      ['signing-server keys rotate 1001 --to 1002 --overlap-days 60 --passphrase-file 1002.passphrase --config signing-server.yaml', 'make 1002 and let both sign for 60 days'],
      ['signing-server keys rotate 1001 --to 1002 --config signing-server.yaml', 'the same with a key 1002 that is in the configuration already, for instance in a token'],
    ))
    .action(async (keyid: string, flags: RotateFlags) => {
      const config = resolve(io.cwd, flags.config)
      const isThere = (await loadConfig(config)).keys.some((key) => key.keyid === flags.to)
      refuseIdle(flags, isThere ? OF_NEW_KEY : [], (flag) => `there is a key ${flags.to} in ${config} already: leave ${flag} out, or name another keyid with --to`)
      refuseIdle(flags, flags.from === undefined ? OF_SOURCE : [], (flag) => `${flag} is about the file that --from names: name one, or leave it out`)
      const origin: KeyOrigin = flags.from === undefined ? { kind: 'made', algorithm: flags.algorithm ?? 'rsa-2048-sha256' } : sourceOf({ ...flags, from: flags.from }, io)
      const files = flags.from === undefined ? flags : withSameSecret({ ...flags, from: flags.from })
      const rotated = await rotateKey({ config, keyid, successor: flags.to, overlapDays: flags.overlapDays, now: new Date() }, isThere ? undefined : newKeyOptions(flags.to, files, origin, io))
      tellRotated(rotated, { keyid, successor: flags.to, config }, io)
    })
}

const OF_SOURCE = ['fromPassphraseFile', 'fromPassphraseFd', 'alias', 'certificate'] as const
const OF_NEW_KEY = ['from', 'algorithm', 'passphraseFile', 'passphraseFd', 'subject', 'csr', 'installedPath', ...OF_SOURCE] as const

/** Whoever gives a flag expects something of it; one that would do nothing is refused. */
function refuseIdle(flags: RotateFlags, idle: readonly (keyof RotateFlags)[], why: (flag: string) => string): void {
  const given = idle.find((name) => flags[name] !== undefined)
  if (given !== undefined) throw new KeyCommandFault(why(`--${given.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`), { usage: true })
}

function tellRotated({ notAfter, clients, made }: Rotated, { keyid, successor, config }: Readonly<{ keyid: string; successor: string; config: string }>, { print, complain }: KeyCommandIo): void {
  print(`${made?.text ?? ''}# key ${keyid} is retiring: it signs until ${notAfter}, beside its successor ${successor}\n`)
  complain([
    `changed ${config}${clients.length === 0 ? '' : `; ${successor} is allowed to ${clients.join(', ')}`}; next:`,
    '  1. look for "reloaded" in the log of the server (docs/reload.md); from then on both keys sign, and the second signature stands in `also`',
    `  2. install the public key of ${successor} on every target${made === undefined ? '' : `: ${made.files.publicKey.path}`} (docs/aix.md)`,
    `  3. when that is done, set \`state: retired\` for ${keyid}; it signs no more after ${notAfter} whatever is done`,
  ].map((line) => `${line}\n`).join(''))
}

function addRevoke(keys: Command, io: KeyCommandIo): void {
  keys.command('revoke').description('revoke a key: it signs no more, and nothing that it signed is valid any more')
    .argument('<keyid>', 'the key', parseKeyid)
    .addOption(new Option('--reason <text>', 'why, one line of at most 200 characters; clients can read it').argParser(parseReason).makeOptionMandatory())
    .requiredOption('--config <file>', 'configuration file')
    .addHelpText('after', examples(["signing-server keys revoke 1001 --reason 'key compromise: backup disk stolen' --config signing-server.yaml", 'docs/compromise.md says what comes before and after']))
    .action(async (keyid: string, flags: Readonly<{ reason: string; config: string }>) => {
      const config = resolve(io.cwd, flags.config)
      const revokedAt = await revokeKey({ config, keyid, reason: flags.reason, now: new Date() })
      io.print(`# key ${keyid} is revoked since ${revokedAt}: ${flags.reason}\n`)
      io.complain([`changed ${config}; next (docs/compromise.md):`, '  1. look for "reloaded" in the log of every server that has it: only then it goes by this', `  2. sign report --keyid ${keyid} --out report.ndjson`, '  3. sign resign --from report.ndjson --keyid NEW', `  4. take the public key of ${keyid} off every target`].map((line) => `${line}\n`).join(''))
    })
}

function addLogKey(keys: Command, io: KeyCommandIo): void {
  keys.command('log-key').description('make the key of the tamper-evident log where there is none yet, and print its public part')
    .requiredOption('--config <file>', 'configuration file: transparencyLog says where the key lies and what the log is called')
    .addHelpText('after', examples(['signing-server keys log-key --config signing-server.yaml > log.pub', 'what clients check the log with: sign log audit --log-key log.pub']))
    .action(async (flags: Readonly<{ config: string }>) => {
      const { transparencyLog: { origin, key } } = await loadConfig(resolve(io.cwd, flags.config))
      const { verifierKey } = await openLogKey({ origin, path: key })
      io.print(`${verifierKey}\n`)
    })
}

const FROM = ['--from <file>', 'the key: PKCS#8 PEM or PKCS#12, readable by you alone'] as const

function algorithmOption(): Option {
  return new Option('--algorithm <name>', 'what the key is; all but RSA make detached signatures of whole files alone').choices(SIGNING_ALGORITHMS).default('rsa-2048-sha256')
}

function withSourceFlags(command: Command): Command {
  return command
    .option('--from-passphrase-file <file>', 'its passphrase: the first line of this file')
    .addOption(new Option('--from-passphrase-fd <number>', 'its passphrase: the first line of what this descriptor is open on').argParser(parseDescriptor).conflicts('fromPassphraseFile'))
    .option('--alias <name>', 'which key of several in a keystore')
    .option('--certificate <file>', 'its certificate, PEM; without it that of the keystore, else a new one that the key signs itself')
}

function withFileFlags(command: Command, needsConfig = false): Command {
  const config = new Option('--config <file>', needsConfig ? 'configuration file that is changed' : 'configuration file to add the key to').makeOptionMandatory(needsConfig)
  return command
    .option('--out <directory>', 'where the files KEYID.pem, KEYID.public.pem and the certificate are made', '.')
    .option('--passphrase-file <file>', 'encrypt the private key: the first line of this file is its passphrase')
    .addOption(new Option('--passphrase-fd <number>', 'encrypt it: the passphrase is the first line of what this descriptor is open on').argParser(parseDescriptor).conflicts('passphraseFile'))
    .option('--subject <name>', "name in the certificate, such as 'CN=release signing, O=Example'; without it CN=signing key KEYID")
    .addOption(new Option('--days <days>', 'how long the certificate holds that the key signs itself').argParser(parseDays).default(1825))
    .addOption(new Option('--csr', 'make a request for an authority (KEYID.csr.pem) instead of a certificate').conflicts('certificate'))
    .option('--installed-path <path>', 'where the public key will lie on the AIX targets; without it signing-server-KEYID.pem in the directory for keys, for RSA')
    .addOption(config)
}

/** A key that was encrypted stays so: with the same passphrase, unless another one is named. */
function withSameSecret<T extends FileFlags & SourceFlags>(flags: T): T {
  if (flags.passphraseFile !== undefined || flags.passphraseFd !== undefined) return flags
  if (flags.fromPassphraseFd !== undefined) throw new KeyCommandFault('say how the new file is encrypted: --passphrase-file or --passphrase-fd', { usage: true })
  return flags.fromPassphraseFile === undefined ? flags : { ...flags, passphraseFile: flags.fromPassphraseFile }
}

function sourceOf({ from, fromPassphraseFile, fromPassphraseFd, alias, certificate }: SourceFlags, { cwd }: KeyCommandIo): KeyOrigin {
  return {
    kind: 'file',
    path: resolve(cwd, from),
    passphrase: { passphraseFile: absolute(cwd, fromPassphraseFile), passphraseFd: fromPassphraseFd },
    alias,
    certificate: absolute(cwd, certificate),
  }
}

function newKeyOptions(keyid: string, { out, passphraseFile, passphraseFd, subject, days, csr, installedPath, config }: FileFlags, origin: KeyOrigin, { cwd }: KeyCommandIo): NewKeyOptions {
  const passphrase = { passphraseFile: absolute(cwd, passphraseFile), passphraseFd }
  return { keyid, origin, folder: resolve(cwd, out), passphrase, subject: subject ?? `CN=signing key ${keyid}`, days, csr: csr === true, installedPath, config: absolute(cwd, config), now: new Date() }
}

function absolute(cwd: string, path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(cwd, path)
}

function examples(...lines: readonly (readonly [string, string])[]): string {
  return `\nExamples:\n${lines.map(([typed, does]) => `  ${typed}\n      ${does}\n`).join('')}`
}
