import { readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import type { Io } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/** The forms in which results are printed. */
export const OUTPUT_FORMS = ['text', 'json', 'ndjson', 'signature-file'] as const

/** One of {@link OUTPUT_FORMS}. */
export type OutputForm = (typeof OUTPUT_FORMS)[number]

/** Where the administrator's three files lie, below the home directory. */
export const CREDENTIALS_FOLDER = '.ssh/signing-server'

/** One setting: the flag `--NAME`, the environment variable, the member NAME of cli.yaml, the default as help and documentation show it. */
export type SettingKind = Readonly<{ name: SettingName; placeholder: string; env: string; fallback: string | undefined; isPath: boolean; description: string }>

type SettingName = 'host' | 'port' | 'cert' | 'key' | 'ca' | 'keyid' | 'output' | 'timeout'

/** Every setting. `keyid` has its flag from the operations that take it, the others belong to every command. */
export const SETTINGS: readonly SettingKind[] = [
  { name: 'host', placeholder: 'name', env: 'SIGN_HOST', fallback: 'localhost', isPath: false, description: 'host name or address of the signing server' },
  { name: 'port', placeholder: 'number', env: 'SIGN_PORT', fallback: '6000', isPath: false, description: 'its port' },
  { name: 'cert', placeholder: 'file', env: 'SIGN_CERT', fallback: `~/${CREDENTIALS_FOLDER}/client.pem`, isPath: true, description: 'certificate of this client, PEM' },
  { name: 'key', placeholder: 'file', env: 'SIGN_KEY', fallback: `~/${CREDENTIALS_FOLDER}/client.key`, isPath: true, description: 'its private key, PEM, readable by you alone' },
  { name: 'ca', placeholder: 'file', env: 'SIGN_CA', fallback: `~/${CREDENTIALS_FOLDER}/ca.pem`, isPath: true, description: 'authority that the server is known by, PEM' },
  { name: 'keyid', placeholder: 'digits', env: 'SIGN_KEYID', fallback: undefined, isPath: false, description: 'key to sign with' },
  { name: 'output', placeholder: 'form', env: 'SIGN_OUTPUT', fallback: 'text', isPath: false, description: OUTPUT_FORMS.join(', ') },
  { name: 'timeout', placeholder: 'seconds', env: 'SIGN_TIMEOUT', fallback: undefined, isPath: false, description: 'how long to wait for the server' },
]

/** A value and where it comes from, as a message names it: `--port`, `SIGN_PORT`, `FILE: port`. */
export type Sourced = Readonly<{ value: string; from: string }>

/** The settings of one run, checked; file names are absolute. */
export type Settings = Readonly<{
  host: string
  port: number
  cert: Sourced
  key: Sourced
  ca: Sourced
  keyid: string | undefined
  output: OutputForm
  timeoutMs: number | undefined
}>

type Raw = Readonly<Partial<Record<SettingName, Sourced>>>

/**
 * Returns the settings of a run: a flag wins over the environment, the environment over `$XDG_CONFIG_HOME/signing-server/cli.yaml`
 * (`~/.config` without that variable), the file over the default. An empty environment variable counts as not set.
 * @throws UsageError with every fault; a member of the file that is not known is one
 */
export async function resolveSettings(flags: Readonly<Record<string, unknown>>, io: Pick<Io, 'env' | 'cwd' | 'home'>): Promise<Settings> {
  return checked({ ...defaults(io.home), ...(await fromFile(io)), ...fromEnvironment(io), ...fromFlags(flags, io.cwd) })
}

function defaults(home: string): Raw {
  const known = SETTINGS.flatMap(({ name, fallback }) => (fallback === undefined ? [] : [[name, { value: fallback.replace(/^~(?=\/)/, home), from: 'the default' }]] as const))
  return Object.fromEntries(known)
}

function fromEnvironment({ env, cwd }: Pick<Io, 'env' | 'cwd'>): Raw {
  return Object.fromEntries(SETTINGS.flatMap((setting) => {
    const value = env[setting.env]
    return value === undefined || value === '' ? [] : [[setting.name, sourced(setting, { value, from: setting.env }, cwd)] as const]
  }))
}

function fromFlags(flags: Readonly<Record<string, unknown>>, cwd: string): Raw {
  return Object.fromEntries(SETTINGS.flatMap((setting) => {
    const value = flags[setting.name]
    return typeof value === 'string' ? [[setting.name, sourced(setting, { value, from: `--${setting.name}` }, cwd)] as const] : []
  }))
}

function sourced({ isPath }: SettingKind, { value, from }: Sourced, folder: string): Sourced {
  if (value === '') throw new UsageError([`${from}: is empty`])
  return { value: isPath ? resolve(folder, value) : value, from }
}

async function fromFile({ env, home }: Pick<Io, 'env' | 'home'>): Promise<Raw> {
  const configured = env['XDG_CONFIG_HOME'] ?? ''
  // The XDG specification has relative paths ignored.
  const path = join(isAbsolute(configured) ? configured : join(home, '.config'), 'signing-server', 'cli.yaml')
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw new UsageError([`${path}: cannot be read (${error.code})`])
  })
  return text === undefined ? {} : await parseSettingsFile(text, { path, home })
}

/**
 * Parses cli.yaml: a map of setting names to values. A file name in it starts at the folder of the file, `~/` at the home directory.
 * @throws UsageError with every fault of the file
 */
async function parseSettingsFile(text: string, { path, home }: Readonly<{ path: string; home: string }>): Promise<Raw> {
  const { parseDocument } = await import('yaml')
  const document = parseDocument(text)
  const broken = document.errors.map(({ message }) => `${path}: ${message.split('\n', 1)[0]}`)
  if (broken.length > 0) throw new UsageError(broken)
  const members: unknown = document.toJS() ?? {}
  if (typeof members !== 'object' || members === null || Array.isArray(members)) throw new UsageError([`${path}: expected members such as \`host: NAME\``])
  const faults: string[] = []
  const entries = Object.entries(members).flatMap(([name, value]: [string, unknown]) => {
    const from = `${path}: ${name}`
    const setting = SETTINGS.find((candidate) => candidate.name === name)
    const isNumber = name === 'port' || name === 'timeout'
    if (setting === undefined) faults.push(`${from}: there is no such setting; there are ${SETTINGS.map((known) => known.name).join(', ')}`)
    else if (isNumber && typeof value !== 'number') faults.push(`${from}: expected a number`)
    else if (!isNumber && (typeof value !== 'string' || value === '')) faults.push(`${from}: expected text; put digits in quotes`)
    else return [[name, sourced(setting, { value: String(value).replace(/^~(?=\/)/, setting.isPath ? home : '~'), from }, dirname(path))] as const]
    return []
  })
  if (faults.length > 0) throw new UsageError(faults)
  return Object.fromEntries(entries)
}

function checked(raw: Raw): Settings {
  const faults: string[] = []
  const check = <T>(setting: Sourced, parsed: T | undefined, expected: string): T => {
    if (parsed === undefined) faults.push(`${setting.from}: expected ${expected}, got '${setting.value}'`)
    return parsed as T
  }
  const { host, port, cert, key, ca, keyid, output, timeout } = raw as Raw & Required<Pick<Raw, 'host' | 'port' | 'cert' | 'key' | 'ca' | 'output'>>
  const settings = {
    host: check(host, parseHost(host.value), 'a host name or an address, the port apart'),
    port: check(port, parsePort(port.value), 'a port, 1 to 65535'),
    cert,
    key,
    ca,
    keyid: keyid?.value,
    output: check(output, OUTPUT_FORMS.find((form) => form === output.value), `one of ${OUTPUT_FORMS.join(', ')}`),
    timeoutMs: timeout && check(timeout, parseSeconds(timeout.value), 'seconds, such as 30 or 0.5'),
  }
  if (faults.length > 0) throw new UsageError(faults)
  return settings
}

/** Returns the host without the brackets that an IPv6 address has in a URL; undefined for what is no host alone. */
function parseHost(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIPv6(bare)) return bare
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(text) && URL.canParse(`https://${text}`) ? text : undefined
}

function parsePort(text: string): number | undefined {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined
}

/** Seconds as milliseconds; no more than a timer of Node can wait, 24 days. */
function parseSeconds(text: string): number | undefined {
  const ms = /^\d{1,7}(?:\.\d{1,3})?$/.test(text) ? Math.round(Number(text) * 1000) : 0
  return ms >= 1 && ms <= 2_147_483_647 ? ms : undefined
}

/** Returns `HOST:PORT` as messages and URLs spell it, an IPv6 address in brackets. */
export function formatAddress({ host, port }: Pick<Settings, 'host' | 'port'>): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}
