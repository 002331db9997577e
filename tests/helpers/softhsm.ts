import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Pkcs11KeyConfig } from '../../server/config/key-schema.ts'
import type { Attribute, Cryptoki, Handle } from '../../server/keys/pkcs11-cryptoki.ts'

/** SoftHSM2's library, where the systems put it. */
const MODULE = ['/usr/lib/softhsm', '/usr/lib64/softhsm', '/usr/lib/x86_64-linux-gnu/softhsm', '/usr/lib/aarch64-linux-gnu/softhsm', '/usr/lib64/pkcs11', '/usr/local/lib/softhsm', '/opt/homebrew/lib/softhsm']
  .map((folder) => join(folder, 'libsofthsm2.so'))
  .find((path) => existsSync(path))

/** What tests do with a library beyond what the server does. */
export type TestCryptoki = Cryptoki &
  Readonly<{
    load(path: string): void
    close(): void
    C_CloseAllSessions(slot: Handle): void
    C_GenerateKeyPair(session: Handle, mechanism: Readonly<{ mechanism: number }>, publicTemplate: readonly Attribute[], privateTemplate: readonly Attribute[]): Readonly<{ publicKey: Handle; privateKey: Handle }>
    C_CreateObject(session: Handle, template: readonly Attribute[]): Handle
    C_DestroyObject(session: Handle, object: Handle): void
    C_SetPIN(session: Handle, oldPin: string, newPin: string): void
  }>

type Pkcs11Js = Readonly<{ PKCS11: new () => TestCryptoki }>

function findPkcs11Js(): Pkcs11Js | undefined {
  try {
    return createRequire(import.meta.url)('pkcs11js') as Pkcs11Js
  } catch {
    return undefined
  }
}

const pkcs11js = findPkcs11Js()

/** Why tests with a real token are skipped; false where they run. */
export const withoutSoftHsm: string | false = MODULE === undefined ? 'softhsm2 is not installed' : pkcs11js === undefined ? 'pkcs11js is not installed: there was no compiler' : false

/** A private token of SoftHSM2. */
export type TestToken = Readonly<{
  folder: string
  module: string
  label: string
  pin: string
  pinFile: string
  /** What a process needs to see this token and no other. */
  environment: Readonly<{ SOFTHSM2_CONF: string }>
  /** A key of a configuration that is in this token. */
  config(more?: Partial<Pkcs11KeyConfig>): Pkcs11KeyConfig
  /** Loads the library into this process; it sees this token. */
  load(): TestCryptoki
  /** Works in a session of this process, as the user of the token. */
  work<T>(use: (cryptoki: TestCryptoki, session: Handle, slot: Handle) => T): T
}>

/** What is made of a key pair; a member given here replaces the default one. */
export type KeyPairOptions = Readonly<{ label?: string; id?: string; bits?: number; extractable?: boolean; sensitive?: boolean; sign?: boolean; hidden?: boolean }>

export const TEST_PIN = '271828'

const LABEL = 'test-token'

/** Folders of tokens that were made before: generating keys takes long, and a copy is as good. */
const made = new Map<string, string>()

/** Makes a token that is removed with the test; with one key pair, `release` and 01, unless others are named. */
export function makeToken(t: Test, keyPairs: readonly KeyPairOptions[] = [{}]): TestToken {
  const folder = mkdtempSync(join(tmpdir(), 'signing-server-token-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const contents = JSON.stringify(keyPairs)
  const before = made.get(contents)
  if (before === undefined) {
    made.set(contents, `${folder}/original`)
    process.once('exit', remove)
  } else t.teardown(remove)
  mkdirSync(join(folder, 'tokens'), { mode: 0o700 })
  const conf = join(folder, 'softhsm2.conf')
  writeFileSync(conf, `directories.tokendir = ${join(folder, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`)
  const label = LABEL
  const pinFile = join(folder, 'pin')
  writeFileSync(pinFile, `${TEST_PIN}\n`, { mode: 0o600 })
  const module = MODULE as string
  const environment = { SOFTHSM2_CONF: conf }
  const load = (): TestCryptoki => {
    // The library reads it when it is initialised, each time.
    process.env['SOFTHSM2_CONF'] = conf
    const cryptoki = new (pkcs11js as Pkcs11Js).PKCS11()
    cryptoki.load(module)
    return cryptoki
  }
  const work: TestToken['work'] = (use) => {
    const cryptoki = load()
    cryptoki.C_Initialize({ flags: 2 })
    try {
      const slot = cryptoki.C_GetSlotList(true).find((each) => cryptoki.C_GetTokenInfo(each).label.trim() === label) as Handle
      const session = cryptoki.C_OpenSession(slot, 0x4 | 0x2)
      cryptoki.C_Login(session, 1, TEST_PIN)
      return use(cryptoki, session, slot)
    } finally {
      cryptoki.C_Finalize()
    }
  }
  if (before === undefined) {
    initToken(conf, label)
    work((cryptoki, session) => {
      for (const options of keyPairs) makeKeyPair(cryptoki, session, options)
    })
    cpSync(join(folder, 'tokens'), `${folder}/original`, { recursive: true })
  } else cpSync(before, join(folder, 'tokens'), { recursive: true })
  const config: TestToken['config'] = (more = {}) => ({
    keyid: '1001', kind: 'pkcs11', module, token: { label }, key: { label: 'release' }, pinFile, extractable: false, sessions: 4, timeoutMs: 10_000, waiting: 256, environment, ...more,
  })
  return { folder, module, label, pin: TEST_PIN, pinFile, environment, config, load, work }
}

/** Makes one more token in the folder of another. */
export function initToken(conf: string, label: string): void {
  execFileSync('softhsm2-util', ['--init-token', '--free', '--label', label, '--pin', TEST_PIN, '--so-pin', '314159'], { env: { ...process.env, SOFTHSM2_CONF: conf }, stdio: 'ignore' })
}

const CKM_RSA_PKCS_KEY_PAIR_GEN = 0

/** Generates an RSA key pair in a token: a private key that never leaves it, unless the options say otherwise. */
export function makeKeyPair(cryptoki: TestCryptoki, session: Handle, { label = 'release', id = '01', bits = 2048, extractable = false, sensitive = true, sign = true, hidden = false }: KeyPairOptions = {}): void {
  const common: readonly Attribute[] = [{ type: 0x1, value: true }, { type: 0x3, value: label }, { type: 0x102, value: Buffer.from(id, 'hex') }]
  cryptoki.C_GenerateKeyPair(
    session,
    { mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN },
    [...common, { type: 0x2, value: hidden }, { type: 0x121, value: bits }, { type: 0x122, value: Buffer.from([1, 0, 1]) }, { type: 0x10a, value: true }],
    [...common, { type: 0x2, value: true }, { type: 0x103, value: sensitive }, { type: 0x162, value: extractable }, { type: 0x108, value: sign }],
  )
}

/** What a library does in the place of what it should: tests/fakes/faulty-pkcs11.c explains each. */
export type LibraryFault = 'loginHangs' | 'signHangs' | 'signCrashes' | 'signFails' | 'deviceRemoved'

/** A token behind a library that has faults. */
export type FaultyToken = TestToken &
  Readonly<{
    /** From now on, until another fault or none is set. */
    setFault(fault?: LibraryFault): void
    /** How many logins were tried, by all processes together. */
    logins(): number
  }>

const FAULT_BYTES: Readonly<Record<LibraryFault, string>> = { loginHangs: 'l', signHangs: 'h', signCrashes: 's', signFails: 'f', deviceRemoved: 'r' }
const FAULTY = fileURLToPath(new URL('../fakes/faulty-pkcs11.c', import.meta.url))

/** Puts a library with faults in front of a token's own; it is compiled where the token lies. */
export function makeFaulty(token: TestToken): FaultyToken {
  const { folder } = token
  const [module, faultFile, logFile] = ['faulty-pkcs11.so', 'fault', 'logins'].map((name) => join(folder, name)) as [string, string, string]
  const includes = join(dirname(createRequire(import.meta.url).resolve('pkcs11js')), 'includes')
  execFileSync('cc', ['-shared', '-fPIC', '-I', includes, '-o', module, FAULTY, '-ldl'])
  const environment = { ...token.environment, FAULTY_REAL: token.module, FAULTY_FILE: faultFile, FAULTY_LOG: logFile }
  return {
    ...token,
    module,
    environment,
    config: (more) => ({ ...token.config(more), module, environment }),
    setFault: (fault) => {
      // Never a file that is empty for a moment.
      writeFileSync(`${faultFile}.new`, fault === undefined ? '-' : FAULT_BYTES[fault])
      renameSync(`${faultFile}.new`, faultFile)
    },
    logins: () => (existsSync(logFile) ? readFileSync(logFile, 'latin1').split('\n').length - 1 : 0),
  }
}
