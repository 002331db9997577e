import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { verifySignature } from '../../../formats/index.ts'
import type { Pkcs11KeyConfig } from '../../../server/config/key-schema.ts'
import type { SigningError } from '../../../server/errors.ts'
import type { DigestKey, OpenedKey } from '../../../server/keys/key.ts'
import { createTokens } from '../../../server/keys/pkcs11.ts'
import type { Tokens } from '../../../server/keys/pkcs11.ts'
import { probeKey } from '../../../server/keys/probe.ts'
import { count, needsFull } from '../../helpers/full-size.ts'
import { eventually, isRunning } from '../../helpers/processes.ts'
import { rsaKeyPair } from '../../helpers/signables.ts'
import { TEST_PIN, makeFaulty, makeToken, withoutSoftHsm } from '../../helpers/softhsm.ts'

type Line = Readonly<{ level: string; message: string; pid?: number; fault?: string; reason?: string; failures?: number; at: number }>
type Held = OpenedKey & Readonly<{ key: DigestKey }>
type Bench = Readonly<{
  tokens: Tokens
  lines: Line[]
  /** The process that runs now, as far as the log knows. */
  pid(): number
  open(index?: number): Promise<Held>
}>

function bench(t: Test, configs: readonly Pkcs11KeyConfig[], onLine: (line: Line) => void = () => {}): Bench {
  const lines: Line[] = []
  const take = (level: string) => (facts: object, message: string) => {
    const line: Line = { ...facts, level, message, at: performance.now() }
    lines.push(line)
    onLine(line)
  }
  const tokens = createTokens(configs, { info: take('info'), warn: take('warn'), error: take('error') })
  t.teardown(async () => await tokens.close())
  return {
    tokens,
    lines,
    pid: () => lines.findLast(({ message }) => message === 'pkcs11 process started')?.pid as number,
    open: async (index = 0) => (await tokens.open(configs[index] as Pkcs11KeyConfig)) as Held,
  }
}

const STARTED = 'pkcs11 process started'
const ENDED = 'pkcs11 process ended'
const countOf = (lines: readonly Line[], message: string) => lines.filter((line) => line.message === message).length

/** Signs random digests and checks each signature; resolves with the codes of those that were refused. */
async function signMany({ key, publicKey }: Held, total: number): Promise<readonly string[]> {
  const codes = await Promise.all(Array.from({ length: total }, async () => {
    const sha256 = randomBytes(32)
    try {
      return verifySignature({ publicKey, sha256, signature: await key.sign(sha256) }) ? 'OK' : 'WRONG'
    } catch (error) {
      return (error as SigningError).code
    }
  }))
  return codes.filter((code) => code !== 'OK')
}

/** Resolves when a key signs that did not. */
async function signsAgain(held: Held): Promise<void> {
  while ((await signMany(held, 1)).length > 0) await delay(50)
}

/** On a busy machine a process takes a while to start. */
const soon = async (condition: () => boolean) => await eventually(condition, 30_000)

void t.test('keys of one token share one process, which has nothing but its configured environment', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeToken(t, [{ label: 'release', id: '01' }, { label: 'next', id: '02', bits: 3072, hidden: true }])
  const publicKey = join(hsm.folder, 'next.pub')
  writeFileSync(publicKey, hsm.work((cryptoki, session) => {
    cryptoki.C_FindObjectsInit(session, [{ type: 0x0, value: 2 }, { type: 0x102, value: Buffer.from('02', 'hex') }])
    const [object] = cryptoki.C_FindObjects(session, 1)
    const [n] = cryptoki.C_GetAttributeValue(session, object as Buffer, [{ type: 0x120 }])
    return rsaPem(n?.value as Buffer)
  }))
  const installedPath = '/etc/security/certificates/next.pem'
  const configs = [hsm.config(), hsm.config({ keyid: '1002', key: { id: '02' }, publicKey, installedPath })]
  const { open, pid, lines, tokens } = bench(t, configs)
  const [first, second] = await Promise.all([open(0), open(1)])
  t.match(first, { keyid: '1001', kind: 'pkcs11', covers: 'file', algorithm: 'rsa-2048-sha256', signatureBytes: 256 })
  t.match(second, { keyid: '1002', algorithm: 'rsa-3072-sha256', signatureBytes: 384, installedPath })
  t.strictSame(await Promise.all([signMany(first, 10), signMany(second, 5)]), [[], []])
  t.equal(countOf(lines, STARTED), 1)
  t.equal(countOf(lines, 'logging in to token'), 1)
  t.equal(tokens.waiting(), 0)
  const proc = (name: string): string[] => readFileSync(`/proc/${pid()}/${name}`, 'latin1').split('\0')
  const names = proc('environ').map((entry) => entry.split('=')[0]).filter((name) => name !== '' && !/^(?:_TAPJS_|NODE_OPTIONS$|NODE_V8_COVERAGE$)/.test(name as string))
  t.strictSame(names.sort(), ['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', 'SOFTHSM2_CONF', 'UV_THREADPOOL_SIZE'])
  t.notMatch([...proc('environ'), ...proc('cmdline')].join(' '), TEST_PIN)
  t.notMatch(readFileSync('/proc/self/maps', 'latin1').replaceAll(/.*(?:pkcs11\.node|libsofthsm2).*/g, ''), 'libsofthsm2')
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid(), signal)
  t.strictSame(await signMany(first, 2), [], 'signals for everybody are not for it')
  const last = pid()
  await tokens.close()
  t.notOk(isRunning(last))
  t.strictSame(await signMany(first, 1), ['SHUTTING_DOWN'])
})

/** A public key with the exponent 65537, PEM. */
function rsaPem(n: Buffer): string {
  const key = { kty: 'RSA', n: n.toString('base64url'), e: 'AQAB' }
  return execFileSync(process.execPath, ['-e', `process.stdout.write(require('node:crypto').createPublicKey({ format: 'jwk', key: ${JSON.stringify(key)} }).export({ type: 'spki', format: 'pem' }))`]).toString()
}

void t.test('a process that is killed under load, or whose library crashes, loses no request', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeFaulty(makeToken(t))
  const { open, pid, lines } = bench(t, [hsm.config({ waiting: 100_000 })])
  const opened = await open()
  const kills = count(3, 20)
  let signed = 0
  let over = false
  const killer = (async () => {
    for (let kill = 0; kill < kills; kill += 1) {
      const [ended, before] = [countOf(lines, ENDED), signed]
      // In the middle of its work: who has signed nothing yet is started again only after a pause.
      await soon(() => signed > before)
      if (kill % 2 === 0) process.kill(pid(), 'SIGKILL')
      else hsm.setFault('signCrashes')
      await soon(() => countOf(lines, ENDED) > ended)
      hsm.setFault()
    }
    over = true
  })()
  const refused: string[] = []
  while (!over) {
    refused.push(...(await signMany(opened, 20)))
    signed += 20
  }
  await killer
  t.strictSame(refused, [], `${signed} signatures`)
  const reasons = lines.filter(({ message }) => message === ENDED).map(({ reason }) => reason)
  t.ok(reasons.includes('status null, signal SIGKILL') && reasons.includes('status null, signal SIGSEGV'), reasons.join('; '))
  t.strictSame(await signMany(opened, 1), [])
  t.ok(countOf(lines, ENDED) >= kills)
  t.equal(countOf(lines, STARTED), countOf(lines, ENDED) + 1)
  t.ok(hsm.logins() <= countOf(lines, STARTED), 'each process logs in once at most')
})

void t.test('a signature with which one process after another ends is given up', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeFaulty(makeToken(t))
  const { open, lines } = bench(t, [hsm.config()])
  const opened = await open()
  hsm.setFault('signCrashes')
  t.strictSame(await signMany(opened, 1), ['SIGNER_FAILED'])
  t.equal(countOf(lines, ENDED), 5)
  const pauses = lines.flatMap((line, index) => (line.message === ENDED ? [(lines[index + 1]?.at ?? Number.NaN) - line.at] : [])).slice(1, 4)
  t.strictSame(lines.flatMap(({ failures }) => failures ?? []), [0, 1, 2, 3, 4])
  t.ok(pauses.every((pause, index) => pause >= [90, 190, 390][index]!), `a longer pause before each start: ${pauses.map(Math.round).join(', ')} ms`)
  hsm.setFault()
  t.strictSame(await signMany(opened, 5), [], 'and the next one is signed')
})

void t.test('a token that is lost is looked for by a new process', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeFaulty(makeToken(t))
  const { open, pid, lines } = bench(t, [hsm.config()])
  const opened = await open()
  hsm.setFault('deviceRemoved')
  const waiting = signMany(opened, 8)
  await soon(() => lines.some(({ message }) => message === 'token was lost'))
  hsm.setFault()
  t.strictSame(await waiting, [])

  const tokens = join(hsm.folder, 'tokens')
  renameSync(tokens, `${tokens}.away`)
  mkdirSync(tokens)
  process.kill(pid(), 'SIGKILL')
  t.strictSame(new Set(await signMany(opened, 8)), new Set(['SIGNER_NOT_AVAILABLE']))
  t.strictSame(await signMany(opened, 1), ['SIGNER_NOT_AVAILABLE'], 'said at once while it is known')
  t.match(lines.find(({ message }) => message === 'token cannot be used'), { fault: new RegExp(`^there is no token with label ${hsm.label}; there are: slot`) })
  rmSync(tokens, { recursive: true })
  renameSync(`${tokens}.away`, tokens)
  await signsAgain(opened)
  t.strictSame(await signMany(opened, 8), [])
})

void t.test('time and room are limited', { skip: withoutSoftHsm || needsFull }, async (t) => {
  const hsm = makeFaulty(makeToken(t))

  await t.test('a signature that takes too long costs its process; the others are signed by the next', async (t) => {
    const { open, lines } = bench(t, [hsm.config({ timeoutMs: 2_500, sessions: 2 })])
    const opened = await open()
    hsm.setFault('signHangs')
    const slow = signMany(opened, 1)
    await delay(2_300)
    const rest = signMany(opened, 6)
    await soon(() => lines.some(({ message }) => message === 'token took too long'))
    hsm.setFault()
    t.strictSame(await slow, ['SIGNER_TIMEOUT'])
    t.strictSame(await rest, [])
  })

  await t.test('a line that is full refuses', async (t) => {
    const { open, tokens } = bench(t, [hsm.config({ sessions: 2, waiting: 3 })])
    const opened = await open()
    hsm.setFault('signHangs')
    const all = signMany(opened, 8)
    t.equal(tokens.waiting(), 3)
    hsm.setFault()
    t.strictSame(await all, ['SIGNER_BUSY', 'SIGNER_BUSY', 'SIGNER_BUSY'])
    const none = bench(t, [hsm.config({ sessions: 1, waiting: 0 })])
    t.strictSame(await signMany(await none.open(), 3), ['SIGNER_BUSY', 'SIGNER_BUSY'], 'a line of no length lets those sign who need not wait')
  })

  await t.test('a turn that does not come in time is refused', async (t) => {
    const { open, pid } = bench(t, [hsm.config({ sessions: 1, timeoutMs: 500, waiting: 10_000 })])
    const codes = new Set(await signMany(await open(), 3_000))
    t.ok(codes.has('SIGNER_TIMEOUT'), [...codes].join())
    t.ok(isRunning(pid()), 'while the process works')
  })

  await t.test('a process that does not stay up is waited for no longer than that', async (t) => {
    let deadly = false
    const { open, pid, lines } = bench(t, [hsm.config({ timeoutMs: 600 })], ({ message, pid }) => {
      if (deadly && message === STARTED) process.kill(pid as number, 'SIGKILL')
    })
    const opened = await open()
    deadly = true
    process.kill(pid(), 'SIGKILL')
    await soon(() => countOf(lines, ENDED) > 0)
    t.strictSame(await signMany(opened, 3), ['SIGNER_NOT_AVAILABLE', 'SIGNER_NOT_AVAILABLE', 'SIGNER_NOT_AVAILABLE'])
    deadly = false
    await signsAgain(opened)
  })

  await t.test('a token that is closed refuses what it has, and kills a process that does not end', async (t) => {
    const { open, tokens, pid } = bench(t, [hsm.config({ sessions: 1 })])
    const opened = await open()
    hsm.setFault('signHangs')
    const all = signMany(opened, 3)
    const last = pid()
    process.kill(last, 'SIGSTOP')
    await tokens.close()
    hsm.setFault()
    t.strictSame(await all, ['SHUTTING_DOWN', 'SHUTTING_DOWN', 'SHUTTING_DOWN'])
    t.notOk(isRunning(last))
  })
})

void t.test('a wrong PIN is tried exactly once, however often the process is replaced, until its file changes', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeFaulty(makeToken(t))
  writeFileSync(hsm.pinFile, 'wrong\n')
  const { open, pid, lines } = bench(t, [hsm.config()])
  const opened = await open()
  t.ok(opened.publicKey, 'the key opens, for a server that ended would be started again, and try again')
  for (let round = 0; round < 3; round += 1) {
    t.strictSame(new Set(await signMany(opened, 10)), new Set(['SIGNER_NOT_AVAILABLE']))
    await t.rejects(probeKey(opened), { code: 'SIGNER_NOT_AVAILABLE' }, 'the probe fails')
    process.kill(pid(), 'SIGKILL')
    await soon(() => countOf(lines, STARTED) === round + 2)
  }
  t.equal(hsm.logins(), 1)
  t.equal(countOf(lines, 'logging in to token'), 1)
  t.notMatch(JSON.stringify(lines), /wrong|271828/)
  renameSync(hsm.pinFile, `${hsm.pinFile}.old`)
  writeFileSync(hsm.pinFile, `${TEST_PIN}\n`, { mode: 0o600 })
  t.strictSame(await signMany(opened, 10), [])
  await probeKey(opened)
  t.equal(hsm.logins(), 2)
})

void t.test('another configuration keeps the tokens of which it says the same, with their process, login and refused PIN', { skip: withoutSoftHsm }, async (t) => {
  const [hsm, second] = [makeFaulty(makeToken(t, [{}, { label: 'next', id: '02' }])), makeToken(t)]
  const [one, two] = [hsm.config(), second.config({ keyid: '1003' })]
  const { open, lines, tokens } = bench(t, [one, two])
  const [first, other] = await Promise.all([open(0), open(1)])
  const same = tokens.next([{ ...one, state: 'retiring' }])
  t.equal(same.isRenewed(one), false)
  const again = (await same.open(one)) as Held
  t.strictSame(await signMany(again, 3), [])
  t.equal(countOf(lines, STARTED), 2, 'no process of its own')
  t.strictSame(await signMany(other, 1), [], 'what goes serves as long as somebody works with it')
  await tokens.close(same)
  t.strictSame([await signMany(other, 1), await signMany(first, 1)], [['SHUTTING_DOWN'], []])
  const more = hsm.config({ keyid: '1002', key: { id: '02' } })
  writeFileSync(hsm.pinFile, 'wrong\n')
  const renewed = same.next([one, more])
  t.ok(renewed.isRenewed(one) && renewed.isRenewed(more))
  const before = hsm.logins()
  const refused = (await renewed.open(more)) as Held
  t.strictSame(await signMany(refused, 2), ['SIGNER_NOT_AVAILABLE', 'SIGNER_NOT_AVAILABLE'])
  t.strictSame(await signMany(again, 1), [], 'the other process is logged in')
  const kept = renewed.next([{ ...one, successor: '1002' }, more])
  t.strictSame(await signMany((await kept.open(more)) as Held, 2), ['SIGNER_NOT_AVAILABLE', 'SIGNER_NOT_AVAILABLE'])
  t.equal(hsm.logins(), before + 1, 'tried once: that a key has another life is no reason to try again')
  await renewed.close(same)
  t.strictSame(await signMany(again, 1), [], 'what was refused leaves nothing behind')
  await same.close()
  t.equal(countOf(lines, STARTED), 3)
})

void t.test('what cannot be opened stops the start with a sentence', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeToken(t, [{}, { label: 'short', id: '02', bits: 1024 }])
  const faulty = makeFaulty(hsm)
  const otherKey = join(hsm.folder, 'other.pub')
  writeFileSync(otherKey, rsaKeyPair().publicKey.export({ type: 'spki', format: 'pem' }))
  const rows: readonly [string, Partial<Pkcs11KeyConfig>, RegExp][] = [
    ['a module that is no library', { module: hsm.pinFile }, /^the module cannot be loaded: .*pin: /],
    ['a library that is no module', { module: execFileSync('sh', ['-c', 'ls /lib/*/libm.so.6 /lib64/libm.so.6 2>/dev/null | head -n 1']).toString().trim() }, /^the module cannot be loaded: .*C_GetFunctionList/],
    ['no such token', { token: { label: 'absent' } }, /^there is no token with label absent; there are: /],
    ['no such key', { key: { label: 'absent' }, publicKey: otherKey }, /^there is no private key with label "absent"$/],
    ['the public key of another', { publicKey: otherKey }, /^what the key signs does not verify$/],
    ['a key that is too short', { key: { label: 'short' } }, /^the key in the token has 1024 bits; 2048, 3072 or 4096 are needed$/],
    ['a public key that is not there', { publicKey: join(hsm.folder, 'absent') }, /absent cannot be opened \(ENOENT\)$/],
  ]
  for (const [name, more, want] of rows) {
    const { open, tokens } = bench(t, [hsm.config(more)])
    await t.rejects(open(), { name: 'KeyFaults', faults: [want] }, name)
    await tokens.close()
  }
  const { open } = bench(t, [hsm.config()], ({ message, pid }) => {
    if (message === STARTED) process.kill(pid as number, 'SIGKILL')
  })
  await t.rejects(open(), { name: 'KeyFaults', faults: [/^the process that uses .+libsofthsm2\.so ended \(status null, signal SIGKILL\)$/] }, 'a process that ends')
  faulty.setFault('signFails')
  const failing = bench(t, [faulty.config()])
  await t.rejects(failing.open(), { name: 'KeyFaults', faults: ['the key could not sign: the token did not sign (CKR_FUNCTION_FAILED)'] }, 'a token that cannot sign')
  faulty.setFault('signHangs')
  await t.rejects(bench(t, [faulty.config({ timeoutMs: 200 })]).open(), { name: 'KeyFaults', faults: [/^the token that holds the key took too long$/] }, 'a token that does not sign')
})
