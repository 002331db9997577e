import { closeSync, appendFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { verifySignature } from '../../../formats/index.ts'
import type { PackageSource, SignatureRecord } from '../../../formats/index.ts'
import type { CommandSignerConfig } from '../../../server/config/schema.ts'
import { SigningError } from '../../../server/errors.ts'
import { checkRecords } from '../../../server/signers/check-records.ts'
import { createCommandSigner } from '../../../server/signers/command.ts'
import type { Copier, CopyablePackage } from '../../../server/signers/private-copy.ts'
import type { OpenedSigner } from '../../../server/signers/signer.ts'
import { createSpawner } from '../../../server/signers/spawn.ts'
import { eventually, isRunning } from '../../helpers/processes.ts'
import { copier, openedKey, openSignable, PACKAGE, rsaKeyPair } from '../../helpers/signables.ts'

const FAKE = fileURLToPath(new URL('../../fakes/create_pkgsign', import.meta.url))
const pair = rsaKeyPair()
const key = openedKey('command', pair)
// One helper for all but the tests that end it: starting one takes as long as a run.
const shared = createSpawner()
t.teardown(() => shared.close())

type LogEntry = Readonly<{ pid: number; ppid: number; child: number; argv: string[]; cwd: string; env: Record<string, string>; startedAt: number }>
type Bench = Readonly<{ dir: string; workDir: string; signer: OpenedSigner; signable: CopyablePackage; log: () => LogEntry[] }>
type Changes = Readonly<{ config?: Partial<CommandSignerConfig>; copier?: Partial<Copier>; source?: PackageSource; filename?: string; passin?: false; ownHelper?: true }>

/** A signer around the fake with the named faults, an opened package, and what the runs say of themselves. */
async function bench(t: Test, faults: readonly string[] = [], changes: Changes = {}): Promise<Bench> {
  const dir = mkdtempSync(join(tmpdir(), 'signers-'))
  mkdirSync(join(dir, 'work'))
  writeFileSync(join(dir, 'key.pem'), pair.pem)
  writeFileSync(join(dir, 'pswd.file'), 'unused\n')
  const [workDir, logFile] = [join(dir, 'work'), join(dir, 'log')]
  const config: CommandSignerConfig = {
    kind: 'command',
    command: [FAKE, ...faults.map((fault) => `--fault=${fault}`)],
    ...(changes.passin !== false && { passin: join(dir, 'pswd.file') }),
    environment: { FAKE_KEY: join(dir, 'key.pem'), FAKE_LOG: logFile },
    timeoutMs: 20_000, concurrency: 2, waiting: 64, outputBytes: 100_000, workDir,
    ...changes.config,
  }
  const environment = { PATH: process.env['PATH'], LANG: 'C', HOME: '/root', SECRET: 'of the server' }
  const spawner = changes.ownHelper === true ? createSpawner() : { ...shared, close: async () => {} }
  const signer = createCommandSigner({ config, spawner, copier: { ...copier, ...changes.copier }, environment })
  const signable = await openSignable(join(dir, changes.filename ?? 'PkgA.1.0.0.0.bff'), changes.source)
  t.teardown(async () => {
    await signer.close()
    closeSync(signable.file.fd)
    rmSync(dir, { recursive: true })
  })
  const log = (): LogEntry[] => (existsSync(logFile) ? readFileSync(logFile, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line)) : [])
  return { dir, workDir, signer, signable, log }
}

/** Resolves with the error of a run, after making sure that nothing is left of the run: no folder, no process. */
async function refusal({ signer, signable, workDir, log }: Bench): Promise<SigningError> {
  const error = await signer.sign(signable, key).then(({ records }) => new Error(`was accepted: ${records.length} records`), (error: unknown) => error)
  if (!(error instanceof SigningError)) throw error
  const leftOver = readdirSync(workDir)
  if (leftOver.length > 0) throw new Error(`left behind: ${leftOver.join()}`)
  await eventually(() => !log().some((entry) => isRunning(entry.pid ?? entry.child)))
  return error
}

const isSigned = ({ sha256 }: CopyablePackage, records: readonly SignatureRecord[]): boolean =>
  records.every(({ signature }) => verifySignature({ publicKey: pair.publicKey, sha256, signature: Buffer.from(signature, 'base64') }))

t.test('the command signer answers the records of the command, signed over the very bytes that were inspected', async (t) => {
  const { signer, signable, workDir, log, dir } = await bench(t)
  await signer.probe()
  const { records } = await signer.sign(signable, key)
  const { signature } = records[0] as SignatureRecord
  const common = { keyid: '1001', package: 'PkgA', timestamp: '1375425475', ftype: 'I', signature }
  t.strictSame(records, [{ ...common, fileset: 'PkgA.rte', vrmf: '1.0.0.0' }, { ...common, fileset: 'PkgA.adt', vrmf: '7.3.2.10' }])
  t.ok(isSigned(signable, records))
  t.strictSame(checkRecords(records, signable.info, '1001'), records)
  t.strictSame(readdirSync(workDir), [], 'the folder of the run is gone')

  const [{ argv, cwd, env }] = log() as [LogEntry]
  t.equal(cwd.startsWith(`${workDir}/signing-server-run-`), true)
  t.strictSame(argv, ['-a', `infile=${cwd}/PkgA.1.0.0.0.bff`, '-a', `passin=${dir}/pswd.file`, `${cwd}/output.signature-file`])
  t.match(env, { PATH: process.env['PATH'], LANG: 'C', FAKE_KEY: `${dir}/key.pem` })
  t.notOk('HOME' in env || 'SECRET' in env || 'ODMDIR' in env, 'nothing else of the server reaches the command')
  t.strictSame([signer.kind, signer.waiting()], ['command', 0])
})

t.test('what is odd but correct is accepted: CRLF, no header, no last line end, another order, many filesets, a left-over child', async (t) => {
  const filesets = Array.from({ length: 200 }, (_, index) => ({ fileset: `PkgA.part${index}`, vrmf: '1.0.0.0' }))
  const rows: readonly [string[], Changes][] = [
    [['crlf'], {}], [['no-header'], {}], [['no-last-line-end'], {}], [['reversed'], {}], [['fork-hang'], {}], [['ignore-term'], {}],
    [[], { source: { ...PACKAGE, filesets }, config: { outputBytes: 1_048_576 } }],
  ]
  for (const [faults, changes] of rows) {
    const made = await bench(t, faults, changes)
    const { records } = await made.signer.sign(made.signable, key)
    t.strictSame(checkRecords(records, made.signable.info, '1001').map(({ fileset, vrmf }) => ({ fileset, vrmf })), made.signable.info.filesets, faults.join() || 'many')
    t.ok(isSigned(made.signable, records))
    await eventually(() => !made.log().some((entry) => isRunning(entry.pid ?? entry.child)))
    t.strictSame(readdirSync(made.workDir), [])
  }
})

t.test('each way in which the command can fail has its own code, and leaves neither a folder nor a process', async (t) => {
  const rows: readonly [string, SigningError['code'], Partial<CommandSignerConfig>?][] = [
    ['exit', 'SIGNER_FAILED'],
    ['exit-after', 'SIGNER_FAILED'],
    ['signal=SIGSEGV', 'SIGNER_FAILED'],
    ['hang', 'SIGNER_TIMEOUT', { timeoutMs: 400 }],
    ['hang-after', 'SIGNER_TIMEOUT', { timeoutMs: 400 }],
    ['stdout=1', 'SIGNER_OUTPUT_TOO_LARGE'],
    ['stderr=50', 'SIGNER_OUTPUT_TOO_LARGE'],
    ['file=50', 'SIGNER_OUTPUT_TOO_LARGE'],
    ['silent', 'SIGNER_NO_RECORD'],
    ['empty', 'SIGNER_NO_RECORD'],
    ['header-only', 'SIGNER_NO_RECORD'],
    ['elsewhere', 'SIGNER_NO_RECORD'],
    ['symlink', 'SIGNER_NO_RECORD'],
    ['fifo', 'SIGNER_NO_RECORD'],
    ['directory', 'SIGNER_NO_RECORD'],
    ['truncated=0', 'SIGNER_SIGNATURE_TRUNCATED'],
    ['truncated=100', 'SIGNER_SIGNATURE_TRUNCATED'],
    ['truncated=341', 'SIGNER_SIGNATURE_TRUNCATED'],
    ['unpadded', 'SIGNER_SIGNATURE_TRUNCATED'],
    ['not-base64', 'SIGNER_RECORD_MALFORMED'],
    ['garbage', 'SIGNER_RECORD_MALFORMED'],
    ['six-fields', 'SIGNER_RECORD_MALFORMED'],
    ['eight-fields', 'SIGNER_RECORD_MALFORMED'],
    ['empty-fields', 'SIGNER_RECORD_MALFORMED'],
    ['swapped-fields', 'SIGNER_RECORD_MALFORMED'],
    ['colon-timestamp', 'SIGNER_RECORD_MALFORMED'],
    ['leading-zeros', 'SIGNER_RECORD_MALFORMED'],
    ['modify-infile', 'SIGNER_FAILED'],
    ['overwrite-infile', 'SIGNER_FAILED'],
    ['replace-infile', 'SIGNER_FAILED'],
    ['remove-infile', 'SIGNER_FAILED'],
  ]
  for (const [fault, want, config = {}] of rows) {
    const made = await bench(t, ['fork-hang', fault], { config })
    const { code, message } = await refusal(made)
    t.equal(code, want, fault)
    t.notMatch(message, /\/|secret|Segmentation/, `a safe sentence: ${message}`)
    t.equal(made.log().length, 2, 'it did run, and left a child')
  }
})

t.test('a signature file may make a record that only the checks of the caller refuse', async (t) => {
  for (const fault of ['wrong-package', 'wrong-fileset', 'wrong-vrmf', 'wrong-ftype', 'wrong-keyid', 'missing-fileset', 'extra-fileset', 'many=50']) {
    const { signer, signable } = await bench(t, [fault])
    const { records } = await signer.sign(signable, key)
    t.throws(() => checkRecords(records, signable.info, '1001'), { code: 'SIGNER_RECORD_MISMATCH' }, fault)
  }
  const twice = await bench(t, ['same-fileset-twice'])
  const { records } = await twice.signer.sign(twice.signable, key)
  t.throws(() => checkRecords(records, twice.signable.info, '1001'), { code: 'SIGNER_RECORD_MALFORMED' })
  const other = await bench(t, ['other-bytes'])
  t.notOk(isSigned(other.signable, (await other.signer.sign(other.signable, key)).records))
})

t.test('what the command printed reaches the log, bounded, and never the message', async (t) => {
  const failed = await refusal(await bench(t, ['stdout=0', 'exit=7']))
  t.equal(failed.message, 'the signing command failed with status 7')
  t.strictSame(failed.facts, { stdout: '', stderr: 'create_pkgsign: the keystore cannot be opened: secret detail\n', status: 7 })
  const large = await refusal(await bench(t, ['stderr=1', 'exit'], { config: { outputBytes: 2_000_000 } }))
  t.strictSame([large.code, String(large.facts['stderr']).length], ['SIGNER_FAILED', 2048])
  const refused = await refusal(await bench(t, [], { config: { passin: '/no/such/pswd.file' } }))
  t.equal(refused.code, 'SIGNER_FAILED')
  t.match(refused.facts['stderr'], /ENOENT/)
})

t.test('a command that is missing, not executable or no program is not available', async (t) => {
  const dir = t.testdir({ text: 'no program', 'no-interpreter': '#!/no/such/interpreter\n', folder: {} })
  chmodSync(join(dir, 'no-interpreter'), 0o755)
  for (const program of ['/no/such/program', join(dir, 'text'), join(dir, 'folder'), 'no-such-program-anywhere', '']) {
    const made = await bench(t, [], { config: { command: [program] } })
    t.equal((await refusal(made)).code, 'SIGNER_NOT_AVAILABLE')
    await t.rejects(made.signer.probe(), { code: 'SIGNER_NOT_AVAILABLE' })
  }
  const interpreted = await refusal(await bench(t, [], { config: { command: [join(dir, 'no-interpreter')] } }))
  t.strictSame([interpreted.code, interpreted.facts['reason']], ['SIGNER_NOT_AVAILABLE', 'ENOENT'])
})

t.test('a name without a slash is looked up in the absolute folders of PATH, the configured one before the server\'s', async (t) => {
  const own = t.testdir({ bin: { create_pkgsign: '#!/bin/sh\nexit 42\n' } })
  chmodSync(join(own, 'bin', 'create_pkgsign'), 0o755)
  const environment = { PATH: `.:bin::${own}/missing:${own}/bin` }
  const error = await refusal(await bench(t, [], { config: { command: ['create_pkgsign'], environment } }))
  t.equal(error.facts['status'], 42)
  const relative = await bench(t, [], { config: { command: ['create_pkgsign'], environment: { PATH: 'tests/fakes:.' } } })
  t.equal((await refusal(relative)).code, 'SIGNER_NOT_AVAILABLE', 'a relative folder would mean another one to the command')
  const unset = await bench(t, [], { config: { command: ['tests/fakes/create_pkgsign'] } })
  t.equal((await unset.signer.sign(unset.signable, key)).records.length, 2, 'a slash makes it relative to the server')
})

t.test('the copy keeps a plain name; any other name never reaches the command', async (t) => {
  const rows = [
    ['U843218.bff', 'U843218.bff'], ['bos.rte_1+2.I', 'bos.rte_1+2.I'], ['-rf', 'package.bff'], ['.hidden', 'package.bff'], ['a b.bff', 'package.bff'],
    ['$(touch x).bff', 'package.bff'], ['a;b', 'package.bff'], ['a:b', 'package.bff'], ['ä.bff', 'package.bff'], ['output.signature-file', 'package.bff'],
  ] as const
  for (const [filename, want] of rows) {
    const { signer, signable, log } = await bench(t, [], { filename, config: { command: [FAKE] } })
    await signer.sign(signable, key)
    const [{ argv, cwd }] = log() as [LogEntry]
    t.equal(argv[1], `infile=${cwd}/${want}`, filename)
  }
})

t.test('folder and copy are private while the command runs, and passin is left out where none is configured', async (t) => {
  const dir = t.testdir({})
  const command = ['/bin/sh', '-c', `stat -c %a . ./* > ${dir}/modes; echo "$@" > ${dir}/arguments; exit 1`, 'sh']
  const made = await bench(t, [], { config: { command } })
  await refusal(made)
  t.equal(readFileSync(join(dir, 'modes'), 'latin1'), '700\n400\n')
  t.match(readFileSync(join(dir, 'arguments'), 'latin1'), /^-a infile=\S+ -a passin=\S+ \S+\n$/)
  await refusal(await bench(t, [], { config: { command }, passin: false }))
  t.match(readFileSync(join(dir, 'arguments'), 'latin1'), /^-a infile=\S+ \S+\n$/)
})

t.test('a package that is no longer what was inspected is not given to the command', async (t) => {
  const { signer, signable, log, workDir } = await bench(t)
  const other = { ...signable, sha256: Buffer.alloc(32) }
  await t.rejects(signer.sign(other, key), { code: 'FILE_CHANGED' })
  appendFileSync(join(workDir, '..', signable.filename), 'x')
  await t.rejects(signer.sign(signable, key), { code: 'FILE_CHANGED' })
  t.strictSame([log(), readdirSync(workDir)], [[], []])
})

t.test('a full disk, and a work folder that cannot be used, are failures of the server and not of the package', async (t) => {
  const full = (code: string) => async (): Promise<never> => { throw Object.assign(new Error('write'), { code, syscall: 'write' }) }
  for (const code of ['ENOSPC', 'EDQUOT']) {
    t.equal((await refusal(await bench(t, [], { copier: { copy: full(code) } }))).code, 'STORAGE_FULL')
  }
  const broken = await bench(t, [], { copier: { copy: full('EIO') } })
  await t.rejects(broken.signer.sign(broken.signable, key), { code: 'SIGNER_NOT_AVAILABLE' })
  const stopped = await bench(t, [], { copier: { copy: async () => { throw new SigningError('SHUTTING_DOWN', 'the server is shutting down') } } })
  await t.rejects(stopped.signer.sign(stopped.signable, key), { code: 'SHUTTING_DOWN' })
  const unhashed = await bench(t, [], { copier: { hash: full('EIO') } })
  await t.rejects(unhashed.signer.sign(unhashed.signable, key), { code: 'EIO' })
  const { signer, signable } = await bench(t, [], { config: { workDir: '/no/such/folder' } })
  await t.rejects(signer.sign(signable, key), { code: 'SIGNER_NOT_AVAILABLE' })
  t.strictSame([readdirSync(broken.workDir), readdirSync(unhashed.workDir)], [[], []])
})

t.test('so many run at once, so many wait, and one more is told that the signer is busy', async (t) => {
  const { signer, signable, log } = await bench(t, ['slow=300'], { config: { concurrency: 2, waiting: 3 } })
  const runs = Array.from({ length: 5 }, () => signer.sign(signable, key))
  t.equal(signer.waiting(), 3)
  await t.rejects(signer.sign(signable, key), { code: 'SIGNER_BUSY' })
  t.strictSame((await Promise.all(runs)).map(({ records }) => records.length), [2, 2, 2, 2, 2])
  t.equal(signer.waiting(), 0)
  const starts = log().map((entry) => entry.startedAt).sort((one, other) => one - other)
  for (let index = 2; index < starts.length; index += 1) {
    t.ok((starts[index] as number) - (starts[index - 2] as number) >= 290, 'a third one starts when one of two has ended')
  }
  const failing = await bench(t, ['exit'], { config: { concurrency: 1, waiting: 0 } })
  for (let count = 0; count < 3; count += 1) t.equal((await refusal(failing)).code, 'SIGNER_FAILED', 'a failure gives its turn back')
})

t.test('an aborted request leaves the line, or ends the run that it is in', async (t) => {
  const { signer, signable, log, workDir } = await bench(t, ['fork-hang', 'hang'], { config: { concurrency: 1 } })
  const [inRun, inLine] = [new AbortController(), new AbortController()]
  const gone = new Error('the client went away')
  const running = t.rejects(signer.sign(signable, key, inRun.signal), gone)
  const waiting = t.rejects(signer.sign(signable, key, inLine.signal), gone)
  inLine.abort(gone)
  await waiting
  t.equal(signer.waiting(), 0)
  await eventually(() => log().length === 2)
  inRun.abort(gone)
  await running
  await eventually(() => !log().some((entry) => isRunning(entry.pid ?? entry.child)))
  t.strictSame(readdirSync(workDir), [])
  await t.rejects(signer.sign(signable, key, AbortSignal.abort(gone)), gone)
})

t.test('a helper that is killed in a run fails that run alone', async (t) => {
  const made = await bench(t, ['slow=600'], { ownHelper: true })
  const failing = refusal(made)
  await eventually(() => made.log().length === 1)
  process.kill((made.log()[0] as LogEntry).ppid, 'SIGKILL')
  t.equal((await failing).code, 'SIGNER_FAILED')
  t.equal((await made.signer.sign(made.signable, key)).records.length, 2)
})

t.test('close refuses who waits, ends who runs and leaves nothing behind', async (t) => {
  const { signer, signable, log, workDir } = await bench(t, ['hang'], { config: { concurrency: 1 }, ownHelper: true })
  const all = Promise.all([1, 2].map(() => t.rejects(signer.sign(signable, key), { code: 'SHUTTING_DOWN' })))
  await eventually(() => log().length === 1)
  await signer.close()
  t.strictSame(readdirSync(workDir), [], 'it is gone when close resolves')
  await all
  await eventually(() => !log().some((entry) => isRunning(entry.pid)))
  await t.rejects(signer.sign(signable, key), { code: 'SHUTTING_DOWN' })
})
