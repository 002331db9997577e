import { execFileSync } from 'node:child_process'
import { createPublicKey, hash, randomBytes, verify } from 'node:crypto'
import { chmodSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { encodeDigestInfo, verifySignature } from '../../../formats/index.ts'
import { ulongOf } from '../../../server/keys/pkcs11-cryptoki.ts'
import type { Cryptoki } from '../../../server/keys/pkcs11-cryptoki.ts'
import { loadCryptoki } from '../../../server/keys/pkcs11-load.ts'
import { readPin } from '../../../server/keys/pkcs11-pin.ts'
import type { KeyChoice, TokenAnswer, TokenOpening } from '../../../server/keys/pkcs11-protocol.ts'
import { createSessionPool } from '../../../server/keys/pkcs11-sessions.ts'
import { openToken } from '../../../server/keys/pkcs11-token.ts'
import type { Token } from '../../../server/keys/pkcs11-token.ts'
import { issueSelfSigned } from '../../helpers/self-signed.ts'
import { rsaKeyPair } from '../../helpers/signables.ts'
import { TEST_PIN, initToken, makeToken, withoutSoftHsm } from '../../helpers/softhsm.ts'
import type { TestCryptoki, TestToken } from '../../helpers/softhsm.ts'

// The real library in the test's own process, with a test between it and the code: calls are counted, and answered as other tokens
// would where SoftHSM2 cannot be brought to it.

type Call = keyof Cryptoki
/** What a call returns instead of what the library says; it may throw. */
type Instead = Partial<{ [C in Call]: (cryptoki: TestCryptoki, args: Parameters<Cryptoki[C]>) => ReturnType<Cryptoki[C]> }>

type Watched = Readonly<{ cryptoki: Cryptoki; raw: TestCryptoki; calls: Record<string, number>; instead: Instead }>

function watch(raw: TestCryptoki): Watched {
  const calls: Record<string, number> = {}
  const instead: Instead = {}
  const cryptoki = new Proxy(raw, {
    get: (target, name: Call) => (...args: never[]) => {
      calls[name] = (calls[name] ?? 0) + 1
      const other = instead[name] as ((cryptoki: TestCryptoki, args: unknown[]) => unknown) | undefined
      return other === undefined ? (Reflect.apply(target[name], target, args) as unknown) : other(raw, args)
    },
  })
  return { cryptoki, raw, calls, instead }
}

/** An error of the library. */
const ckr = (name: string, code: number): Error => Object.assign(new Error(name), { code })
const failing = (name: string, code: number) => () => {
  throw ckr(name, code)
}
const FUNCTION_FAILED = ['CKR_FUNCTION_FAILED', 0x6] as const
const DEVICE_REMOVED = ['CKR_DEVICE_REMOVED', 0x32] as const

/** Answers the first `times` calls of `instead`, then leaves the library to answer. */
function forTimes({ instead }: Watched, call: Call, times: number, error: readonly [string, number]): void {
  let left = times
  const passOn = ((raw: TestCryptoki, args: never[]) => {
    left -= 1
    if (left >= 0) throw ckr(...error)
    return Reflect.apply(raw[call], raw, args) as unknown
  }) as never
  instead[call] = passOn
}

const KEY: KeyChoice = { label: 'release', extractable: false, readPublic: true }

type Opened = Watched & Readonly<{ token: Token; told: TokenAnswer[] }>

async function open(t: Test, { load, label, module, pinFile }: TestToken, more: Partial<TokenOpening> = {}, prepare: (watched: Watched) => void = () => {}): Promise<Opened> {
  const watched = watch(load())
  prepare(watched)
  const told: TokenAnswer[] = []
  const token = await openToken(watched.cryptoki, { module, token: { label }, keys: [KEY], pinFile, sessions: 4, ...more }, (answer) => void told.push(answer))
  let closed = false
  const close = (): void => {
    if (!closed) token.close()
    closed = true
  }
  t.teardown(close)
  return { ...watched, token: { ...token, close }, told }
}

const publicKeyOf = ({ keys }: Token, index = 0) => createPublicKey(keys[index]?.publicKeyPem as string)
/** For signatures that are refused. */
const DATA = encodeDigestInfo(Buffer.alloc(32))

const signsWell = async (token: Token, index = 0): Promise<boolean> => {
  const sha256 = randomBytes(32)
  return verifySignature({ publicKey: publicKeyOf(token, index), sha256, signature: await token.sign(index, encodeDigestInfo(sha256)) })
}
const times = async <T>(count: number, work: () => Promise<T>): Promise<T[]> => await Promise.all(Array.from({ length: count }, work))

void t.test('a key in a token', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeToken(t)

  await t.test('signs a digest as the token itself would sign the file, and openssl verifies it', async (t) => {
    const { token, raw, told } = await open(t, hsm)
    const file = join(hsm.folder, 'file')
    const content = randomBytes(10_000)
    writeFileSync(file, content)
    const signature = await token.sign(0, encodeDigestInfo(hash('sha256', content, 'buffer')))
    writeFileSync(`${file}.sig`, signature)
    writeFileSync(`${file}.pub`, token.keys[0]?.publicKeyPem as string)
    t.match(execFileSync('openssl', ['dgst', '-sha256', '-verify', `${file}.pub`, '-signature', `${file}.sig`, file]).toString(), /Verified OK/)
    t.ok(verify('sha256', content, publicKeyOf(token), signature))
    token.close()
    const whole = hsm.work((cryptoki, session) => {
      cryptoki.C_FindObjectsInit(session, [{ type: 0x0, value: 3 }])
      const [key] = cryptoki.C_FindObjects(session, 2)
      cryptoki.C_FindObjectsFinal(session)
      cryptoki.C_SignInit(session, { mechanism: 0x40 }, key as Buffer)
      return (raw as unknown as { C_Sign(session: Buffer, data: Buffer, space: Buffer): Buffer }).C_Sign(session, content, Buffer.alloc(256))
    })
    t.ok(signature.equals(whole), 'CKM_RSA_PKCS over the DigestInfo is CKM_SHA256_RSA_PKCS over the file')
    t.strictSame(told, [{ kind: 'login' }])
  })

  await t.test('is one that nobody can take out of it', (t) => {
    hsm.work((cryptoki, session) => {
      cryptoki.C_FindObjectsInit(session, [{ type: 0x0, value: 3 }])
      const [key] = cryptoki.C_FindObjects(session, 2)
      cryptoki.C_FindObjectsFinal(session)
      const [extractable] = cryptoki.C_GetAttributeValue(session, key as Buffer, [{ type: 0x162 }])
      t.equal(extractable?.value[0], 0, 'CKA_EXTRACTABLE')
      t.throws(() => cryptoki.C_GetAttributeValue(session, key as Buffer, [{ type: 0x123 }]), { message: /CKR_ATTRIBUTE_SENSITIVE/ }, 'CKA_PRIVATE_EXPONENT')
    })
    t.end()
  })

  await t.test('is signed with in at most the configured number of sessions; the rest queues', async (t) => {
    const { token, calls, instead } = await open(t, hsm, { sessions: 3 })
    let running = 0
    let most = 0
    instead.C_SignAsync = async (cryptoki, args) => {
      running += 1
      most = Math.max(most, running)
      return await cryptoki.C_SignAsync(...args).finally(() => (running -= 1))
    }
    const all = times(40, async () => await signsWell(token))
    await new Promise(setImmediate)
    t.ok(token.sessions.waiting() > 20, `${token.sessions.waiting()} wait`)
    t.ok((await all).every(Boolean))
    t.equal(most, 3)
    t.equal(token.sessions.open(), 3)
    t.strictSame([calls['C_OpenSession'], calls['C_CloseSession'], calls['C_Login']], [3, undefined, 1], 'sessions and login are kept')
  })

  await t.test('is signed with in fewer sessions when the token has room for fewer', async (t) => {
    const { token, calls, instead } = await open(t, hsm)
    instead.C_OpenSession = (cryptoki, args) => (token.sessions.open() === 2 ? failing('CKR_SESSION_COUNT', 0xb1)() : cryptoki.C_OpenSession(...args))
    t.ok((await times(20, async () => await signsWell(token))).every(Boolean))
    t.equal(token.sessions.open(), 2)
    t.equal(calls['C_OpenSession'], 3, 'it is not asked again and again')
    token.close()
    await t.rejects(open(t, hsm, {}, ({ instead }) => (instead.C_OpenSession = failing('CKR_SESSION_COUNT', 0xb1))), { code: 0xb1 }, 'but for none at all')
  })
})

void t.test('what a token loses is replaced', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeToken(t)

  await t.test('dead sessions, and the login that went with them', async (t) => {
    const { token, raw, told } = await open(t, hsm)
    await times(20, async () => await signsWell(token))
    t.equal(token.sessions.open(), 4)
    for (const slot of raw.C_GetSlotList(true)) raw.C_CloseAllSessions(slot)
    t.ok(await signsWell(token), 'with one that finds four dead sessions')
    for (const slot of raw.C_GetSlotList(true)) raw.C_CloseAllSessions(slot)
    t.ok((await times(20, async () => await signsWell(token))).every(Boolean))
    t.ok(told.length > 1 && told.every(({ kind }) => kind === 'login'))
  })

  await t.test('a signature that failed is tried again; when it goes on failing, that is said', async (t) => {
    const watched = await open(t, hsm, { sessions: 2 })
    const { token, calls } = watched
    await times(4, async () => await signsWell(token))
    forTimes(watched, 'C_SignInit', 1, FUNCTION_FAILED)
    t.ok(await signsWell(token))
    t.equal(calls['C_Login'], 1, 'the login is kept')
    forTimes(watched, 'C_SignAsync', 1, ['CKR_SESSION_CLOSED', 0xb0])
    t.ok(await signsWell(token))
    const before = calls['C_SignInit'] as number
    forTimes(watched, 'C_SignInit', 100, FUNCTION_FAILED)
    await t.rejects(token.sign(0, DATA), { name: 'TokenError', failure: { reason: 'key', fault: 'the token did not sign (CKR_FUNCTION_FAILED)' } })
    t.equal((calls['C_SignInit'] as number) - before, 4)
    t.equal(calls['C_Login'], 1)
    delete watched.instead.C_SignInit
    forTimes(watched, 'C_SignInit', 1, FUNCTION_FAILED)
    watched.instead.C_GetSessionInfo = () => ({ state: 0 })
    t.ok(await signsWell(token), 'when the token says no and yes: CKR_USER_ALREADY_LOGGED_IN')
    t.equal(calls['C_Login'], 3)
    await t.rejects(token.sign(7, DATA), { name: 'TokenError', failure: { reason: 'key', fault: 'there is no key 7' } })
  })

  await t.test('a token that is gone is not waited for: that takes a new process', async (t) => {
    const watched = await open(t, hsm)
    forTimes(watched, 'C_SignInit', 1, DEVICE_REMOVED)
    await t.rejects(watched.token.sign(0, DATA), { name: 'TokenError', failure: { reason: 'token', fault: 'the token is gone (CKR_DEVICE_REMOVED)' } })
    watched.token.close()
    for (const call of ['C_GetAttributeValue', 'C_FindObjectsInit', 'C_Login', 'C_GetTokenInfo'] as const) {
      await t.rejects(open(t, hsm, {}, (each) => forTimes(each, call, 1, DEVICE_REMOVED)), { code: 0x32 }, call)
    }
    t.ok(await signsWell((await open(t, hsm)).token), 'the library was left as it was found')
  })
})

void t.test('a PIN', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeToken(t)
  const logins = ({ calls }: Watched) => calls['C_Login'] ?? 0
  const setPin = (pin: string): void => {
    writeFileSync(`${hsm.pinFile}.new`, `${pin}\r\n`, { mode: 0o600 })
    renameSync(`${hsm.pinFile}.new`, hsm.pinFile)
  }
  const refusal = { name: 'TokenError', failure: { reason: 'pin', fault: /^the token refused the PIN in .+\/pin; it is not tried again until that file changes$/ } }

  await t.test('that is wrong is tried exactly once, by this process and the next, until its file changes', async (t) => {
    setPin('wrong')
    const first = await open(t, hsm)
    t.match(first.token.pinFault, /^the token refused the PIN in .+\/pin \(CKR_PIN_INCORRECT\); it is not tried again until that file changes$/)
    t.ok(publicKeyOf(first.token), 'the public key is known all the same')
    for (const outcome of await Promise.allSettled(Array.from({ length: 20 }, async () => await first.token.sign(0, DATA)))) t.match(outcome, { status: 'rejected', reason: refusal })
    t.equal(logins(first), 1)
    const [, told] = first.told as [TokenAnswer, Extract<TokenAnswer, { kind: 'pinRefused' }>]
    t.match(first.told, [{ kind: 'login' }, { kind: 'pinRefused' }])
    t.notMatch(told.mark, /wrong/)
    first.token.close()

    const second = await open(t, hsm, { refusedPin: told.mark })
    await t.rejects(second.token.sign(0, DATA), refusal)
    t.equal(logins(second), 0, 'the process that follows tries none')
    setPin('also wrong')
    await t.rejects(second.token.sign(0, DATA), { name: 'TokenError', failure: { fault: /CKR_PIN_INCORRECT/ } })
    await t.rejects(second.token.sign(0, DATA), refusal)
    t.equal(logins(second), 1, 'a changed file is tried once')
    setPin(TEST_PIN)
    t.ok((await times(20, async () => await signsWell(second.token))).every(Boolean), 'the right one needs no restart')
    t.equal(logins(second), 2)
  })

  await t.test('that was changed in the token is tried once when the login was lost', async (t) => {
    const opened = await open(t, hsm)
    const { token, raw, instead } = opened
    t.ok(await signsWell(token))
    instead.C_Login = failing('CKR_PIN_INCORRECT', 0xa0)
    for (const slot of raw.C_GetSlotList(true)) raw.C_CloseAllSessions(slot)
    await Promise.allSettled(Array.from({ length: 20 }, async () => await token.sign(0, DATA)))
    t.equal(logins(opened), 2)
  })

  await t.test('is not tried when the token has one try left or none', async (t) => {
    const rows = [[0x2_0000, /takes one more wrong PIN before it locks itself \(CKF_USER_PIN_FINAL_TRY\)/], [0x4_0000, /is locked after too many wrong PINs \(CKF_USER_PIN_LOCKED\)/]] as const
    for (const [flag, want] of rows) {
      const opened = await open(t, hsm, {}, ({ instead }) => {
        instead.C_GetTokenInfo = (cryptoki, args) => {
          const info = cryptoki.C_GetTokenInfo(...args)
          return { ...info, flags: info.flags | flag }
        }
      })
      t.match(opened.token.pinFault, want)
      t.equal(logins(opened), 0)
      delete opened.instead.C_GetTokenInfo
      t.ok(await signsWell(opened.token), 'once somebody logged in with the right one, it goes on')
      opened.token.close()
    }
  })

  await t.test('comes from a file that is the first line of it and that nobody else can read', async (t) => {
    t.strictSame((await readPin(hsm.pinFile)).pin, TEST_PIN)
    const file = join(hsm.folder, 'other-pin')
    writeFileSync(file, '1234', { mode: 0o600 })
    t.equal((await readPin(file)).pin, '1234')
    writeFileSync(file, '\n1234')
    await t.rejects(readPin(file), { message: `the first line of ${file} is empty; it must be the PIN` })
    chmodSync(file, 0o640)
    await t.rejects(readPin(file), { message: /may be used by its group or by others/ })
    const absent = join(hsm.folder, 'absent')
    const { token, calls } = await open(t, hsm, { pinFile: absent })
    t.match(token.pinFault, `${absent} cannot be read (ENOENT)`)
    t.notOk(calls['C_Login'])
  })

  await t.test('is not taken from a file that changes while it is read', async (t) => {
    const file = join(hsm.folder, 'restless-pin')
    writeFileSync(file, '1234', { mode: 0o600 })
    let seconds = 0
    let done = false
    const change = (): void => {
      if (done) return
      utimesSync(file, (seconds += 1), seconds)
      setImmediate(change)
    }
    change()
    await t.rejects(readPin(file).finally(() => (done = true)), { message: `${file} was changed while it was read` })
  })
})

void t.test('exactly one token must be meant', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeToken(t)
  const tokens = hsm.work((cryptoki) => cryptoki.C_GetSlotList(true).map((slot) => ({ slot: Number(ulongOf(slot)), serial: cryptoki.C_GetTokenInfo(slot).serialNumber.trim() })))
  const { serial, slot } = tokens[0] as { serial: string; slot: number }
  for (const choice of [{ serial }, { slot }]) {
    const { token } = await open(t, hsm, { token: choice })
    t.ok(await signsWell(token), JSON.stringify(choice))
    token.close()
  }
  await t.rejects(open(t, hsm, { token: { label: 'absent' } }), { message: `there is no token with label absent; there are: slot ${slot} label "${hsm.label}" serial ${serial}` })
  initToken(hsm.environment.SOFTHSM2_CONF, hsm.label)
  await t.rejects(open(t, hsm), { message: new RegExp(`^there is more than one token with label ${hsm.label}: slot .+; slot .+`) })
  await t.rejects(open(t, hsm, {}, ({ instead }) => (instead.C_GetSlotList = () => [])), { message: /there are: none$/ })
})

void t.test('exactly one key must be meant, and one that can be used', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeToken(t, [
    { label: 'one', id: '01' }, { label: 'twice', id: '02' }, { label: 'twice', id: '03' }, { label: 'extractable', id: '04', extractable: true }, { label: 'bare', id: '05', sensitive: false },
    { label: 'dumb', id: '06', sign: false }, { label: 'hidden', id: '07', hidden: true }, { label: 'certified', id: '08', hidden: true }, { label: 'odd', id: '09', hidden: true },
  ])
  const pem = await issueSelfSigned(rsaKeyPair())
  hsm.work((cryptoki, session) => {
    const spki = { type: 0x1, value: true } as const
    const ec = [spki, { type: 0x3, value: 'elliptic' }, { type: 0x102, value: Buffer.from('0a', 'hex') }] as const
    cryptoki.C_GenerateKeyPair(session, { mechanism: 0x1040 }, [...ec, { type: 0x180, value: Buffer.from('06082a8648ce3d030107', 'hex') }], [...ec, { type: 0x2, value: true }, { type: 0x103, value: true }, { type: 0x162, value: false }])
    const certificate = (id: string, value: Buffer) => cryptoki.C_CreateObject(session, [{ type: 0x0, value: 1 }, spki, { type: 0x2, value: false }, { type: 0x80, value: 0 }, { type: 0x102, value: Buffer.from(id, 'hex') }, { type: 0x101, value: Buffer.from('3000', 'hex') }, { type: 0x11, value }])
    certificate('08', Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'))
    certificate('09', Buffer.from('no certificate'))
  })
  const rows: readonly [string, Partial<KeyChoice>, RegExp | 'found'][] = [
    ['by label', { label: 'one' }, 'found'],
    ['by id', { id: '01' }, 'found'],
    ['by both', { label: 'twice', id: '03' }, 'found'],
    ['by the label of two', { label: 'twice' }, /^there is more than one public key with label "twice": name it by label and id$/],
    ['of which the public part is given, by the label of two', { label: 'twice', readPublic: false }, /^there is more than one private key with label "twice"/],
    ['that does not exist', { label: 'absent', id: 'ff', readPublic: false }, /^there is no private key with label "absent" and id ff$/],
    ['whose label and id are of two', { label: 'one', id: '02', readPublic: false }, /^there is no private key with/],
    ['that may leave its token', { label: 'extractable' }, /may leave its token \(CKA_EXTRACTABLE or not CKA_SENSITIVE\): make one that may not, or say `extractable: true`$/],
    ['that may leave its token, and may', { label: 'extractable', extractable: true }, 'found'],
    ['that can be read', { label: 'bare' }, /may leave its token/],
    ['that may not sign', { label: 'dumb' }, /may not sign \(CKA_SIGN is false\)$/],
    ['that is no RSA key', { label: 'elliptic', readPublic: false }, /^the private key with label "elliptic" is not an RSA key$/],
    ['that is no RSA key, by its public part', { label: 'elliptic' }, /cannot be read from the token: give it as publicKey$/],
    ['whose public part is hidden', { label: 'hidden' }, /^there is no public key and no certificate with label "hidden" that can be read without a login: give the public part as publicKey$/],
    ['whose public part is hidden and given', { label: 'hidden', readPublic: false }, 'found'],
    ['with a certificate', { id: '08' }, 'found'],
    ['with something that is no certificate', { id: '09' }, /cannot be read from the token: give it as publicKey$/],
  ]
  const { token, instead } = await open(t, hsm, { keys: rows.map(([, choice]) => ({ extractable: false, readPublic: true, ...choice })) })
  for (const [index, [name, , want]] of rows.entries()) {
    const { fault, publicKeyPem } = token.keys[index] ?? {}
    if (want === 'found') t.strictSame([fault, publicKeyPem === undefined], [undefined, name.endsWith('given')], `a key ${name}`)
    else t.match(fault, want, `a key ${name}`)
  }
  t.ok(await signsWell(token, 0))
  t.ok(await signsWell(token, 2))
  t.ok(publicKeyOf(token, 15).equals(createPublicKey(pem)), 'the key of the certificate')
  await t.rejects(token.sign(7, DATA), { name: 'TokenError', failure: { reason: 'key', fault: /may leave its token/ } }, 'a faulty key signs nothing')
  instead.C_GetAttributeValue = (cryptoki, [session, object, template]) => (template[0]?.type === 0x202 ? [{ type: 0x202, value: Buffer.from([1]) }] : cryptoki.C_GetAttributeValue(session, object, template))
  token.close()
  const always = await open(t, hsm, { keys: [{ label: 'one', extractable: false, readPublic: true }] }, (watched) => Object.assign(watched.instead, instead))
  t.match(always.token.keys[0]?.fault, /wants the PIN for each signature \(CKA_ALWAYS_AUTHENTICATE\)/)
  always.token.close()
  const old = await open(t, hsm, { keys: [{ label: 'one', extractable: false, readPublic: true }] }, ({ instead }) => {
    instead.C_GetAttributeValue = (cryptoki, [session, object, template]) => (template[0]?.type === 0x202 ? failing('CKR_ATTRIBUTE_TYPE_INVALID', 0x12)() : cryptoki.C_GetAttributeValue(session, object, template))
  })
  t.ok(await signsWell(old.token), 'an old library that does not know the attribute')
})

void t.test('a session pool', async (t) => {
  await t.test('gives whoever waits a turn, also after a session could not be opened', async (t) => {
    let broken = false
    const pool = createSessionPool({ open: () => (broken ? failing(...DEVICE_REMOVED)() : Buffer.alloc(8)), close: failing(...DEVICE_REMOVED) }, 1)
    const gate = Promise.withResolvers<void>()
    const first = pool.use(async () => await gate.promise)
    const rest = [pool.use(() => 2), pool.use(() => 3)]
    broken = true
    gate.reject(new Error('the work failed'))
    await t.rejects(first, { message: 'the work failed' })
    t.match(await Promise.allSettled(rest), [{ status: 'rejected', reason: { code: 0x32 } }, { status: 'rejected', reason: { code: 0x32 } }])
    t.strictSame([pool.open(), pool.waiting()], [0, 0])
    broken = false
    t.equal(await pool.use(() => 4), 4)
  })
})

void t.test('where pkcs11js is not installed, a sentence says how to install it', (t) => {
  const nowhere = createRequire('/nowhere/at-all.js')
  t.throws(() => loadCryptoki('/nowhere.so', nowhere), { name: 'TokenFault', message: 'keys of kind pkcs11 need the package pkcs11js, built where a C++ compiler is: npm install pkcs11js@2' })
  t.end()
})

void t.test('ulongOf reads a CK_ULONG in the byte order of the machine', (t) => {
  t.equal(ulongOf(Buffer.from('0102000000000000', 'hex'), 'LE'), 0x201n)
  t.equal(ulongOf(Buffer.from('0000000000000102', 'hex'), 'BE'), 0x102n)
  t.equal(ulongOf(Buffer.from('01000000', 'hex'), 'LE'), 1n)
  t.end()
})
