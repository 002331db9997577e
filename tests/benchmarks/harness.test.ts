import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { stringify } from 'yaml'
import { closeAtSignal } from '../../benchmarks/harness/at-signal.ts'
import { createAnswerParser, type WireAnswer } from '../../benchmarks/harness/answer-parser.ts'
import { cleanEnvironment, endChild, run } from '../../benchmarks/harness/child.ts'
import { interleave, repeat, type Comparison } from '../../benchmarks/harness/interleave.ts'
import { commitText, readMachine } from '../../benchmarks/harness/machine.ts'
import { figureText, goalText, Unavailable, verdictOf } from '../../benchmarks/harness/measurement.ts'
import { meanwhile } from '../../benchmarks/harness/meanwhile.ts'
import { profileOwnThread } from '../../benchmarks/harness/own-profile.ts'
import { MIB, packageSource, signingAnew, writePackages } from '../../benchmarks/harness/packages.ts'
import { descriptorsOf, memoryGrowth, memoryOf } from '../../benchmarks/harness/process-memory.ts'
import { requestsOf } from '../../benchmarks/harness/request-source.ts'
import { portsIn } from '../../benchmarks/harness/server-log.ts'
import { percentile, slope, summarise } from '../../benchmarks/harness/statistics.ts'
import { createPackageScanner } from '../../formats/index.ts'
import { opensslSpeed, signaturesPerSecond } from '../../benchmarks/rivals/openssl-speed.ts'

void t.test('a summary has the median, the smallest, the largest and the count, whatever the order', async (t) => {
  t.strictSame(summarise([3, 1, 2]), { median: 2, min: 1, max: 3, count: 3 })
  t.strictSame(summarise([10, 1, 2, 3]), { median: 2.5, min: 1, max: 10, count: 4 })
  t.strictSame(summarise([7]), { median: 7, min: 7, max: 7, count: 1 })
  for (const wrong of [[], [1, Number.NaN], [Number.POSITIVE_INFINITY]]) t.throws(() => summarise(wrong), RangeError, String(wrong))
  fc.assert(fc.property(fc.array(fc.integer(), { minLength: 1 }), (figures) => {
    const { median, min, max } = summarise(figures)
    const below = figures.filter((figure) => figure <= median).length
    const above = figures.filter((figure) => figure >= median).length
    return min <= median && median <= max && below * 2 >= figures.length && above * 2 >= figures.length
  }))
})

void t.test('a percentile is the nearest rank: a figure that really occurred', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  t.equal(percentile(hundred, 99), 99)
  t.equal(percentile(hundred, 100), 100)
  t.equal(percentile(hundred, 50), 50)
  t.equal(percentile([5, 1], 0), 1)
  t.throws(() => percentile([], 50), RangeError)
})

void t.test('a slope is that of the line through the points, and none for points at one place', async (t) => {
  t.equal(slope([{ x: 0, y: 1 }, { x: 1, y: 3 }, { x: 2, y: 5 }]), 2)
  t.equal(slope([{ x: 1, y: 4 }, { x: 3, y: 4 }]), 0)
  t.throws(() => slope([{ x: 1, y: 4 }, { x: 1, y: 5 }]), RangeError)
})

void t.test('a verdict compares the median with the goal, and the goal itself is met', async (t) => {
  const summary = (median: number) => ({ median, min: 0, max: 99, count: 3 })
  const rows = [
    ['at-least', 0.88, 0.88, 'meets'], ['at-least', 0.88, 0.8799, 'misses'], ['at-most', 15, 15, 'meets'], ['at-most', 15, 15.1, 'misses'],
  ] as const
  for (const [kind, value, median, verdict] of rows) t.equal(verdictOf({ goal: { kind, value }, summary: summary(median) }), verdict, `${kind} ${value}: ${median}`)
  t.equal(verdictOf({ summary: summary(1) }), 'no goal')
  t.equal(goalText({ kind: 'at-least', value: 0.88 }), '≥ 0.88')
  t.equal(goalText({ kind: 'at-most', value: 15 }), '≤ 15')
  for (const [figure, text] of [[0.123456, '0.123'], [999.4, '999'], [5234.5, '5,235'], [0, '0'], [1_200_000, '1,200,000']] as const) t.equal(figureText(figure), text)
})

function scripted(figures: { ours: number[]; theirs: number[] }, calls: string[]): Comparison {
  const measure = (name: 'ours' | 'theirs') => async () => {
    calls.push(name)
    return figures[name].shift() as number
  }
  return { name: 'sizes', figure: 'rate', unit: 'packages/s', goal: { kind: 'at-least', value: 0.5 }, ours: { label: 'server', measure: measure('ours') }, theirs: { label: 'loop2', measure: measure('theirs') } }
}

void t.test('interleave alternates who begins, drops the warm-up and makes one ratio of each round', async (t) => {
  const calls: string[] = []
  const said: string[] = []
  const measured = await interleave(scripted({ ours: [1, 30, 10, 20], theirs: [100, 40, 20, 100] }, calls), { warmUp: 1, rounds: 3, say: (text) => void said.push(text) })
  t.strictSame(calls, ['ours', 'theirs', 'theirs', 'ours', 'ours', 'theirs', 'theirs', 'ours'])
  t.strictSame(measured, {
    name: 'sizes',
    unit: '×',
    // The ratios, and not the ratio of the medians.
    summary: { median: 0.5, min: 0.2, max: 0.75, count: 3 },
    goal: { kind: 'at-least', value: 0.5 },
    sides: {
      ours: { label: 'server', unit: 'packages/s', summary: { median: 20, min: 10, max: 30, count: 3 } },
      theirs: { label: 'loop2', unit: 'packages/s', summary: { median: 40, min: 20, max: 100, count: 3 } },
    },
  })
  t.strictSame(said, ['sizes: 1 to 100 packages/s, ratio 0.01 (warm-up)', 'sizes: 30 to 40 packages/s, ratio 0.75', 'sizes: 10 to 20 packages/s, ratio 0.5', 'sizes: 20 to 100 packages/s, ratio 0.2'])
})

void t.test('interleave divides times the other way round, costs not, and takes no figure that is none', async (t) => {
  const { goal: _goal, ...plain } = scripted({ ours: [10], theirs: [50] }, [])
  const time = await interleave({ ...plain, figure: 'time' }, { warmUp: 0, rounds: 1 })
  t.equal(time.summary.median, 5)
  t.notOk('goal' in time)
  const cost = await interleave({ ...scripted({ ours: [10], theirs: [50] }, []), figure: 'cost' }, { warmUp: 0, rounds: 1 })
  t.equal(cost.summary.median, 0.2)
  for (const figure of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    await t.rejects(interleave(scripted({ ours: [figure], theirs: [1] }, []), { warmUp: 0, rounds: 1 }), { name: 'RangeError', message: /^server gave / })
    await t.rejects(interleave(scripted({ ours: [1], theirs: [figure] }, []), { warmUp: 0, rounds: 1 }), { name: 'RangeError', message: /^loop2 gave / })
  }
})

void t.test('repeat keeps what comes behind the warm-up', async (t) => {
  const figures = [9, 1, 2]
  const said: string[] = []
  const single = { name: 'p99', unit: 'ms', measure: async () => figures.shift() as number } as const
  t.strictSame(await repeat({ ...single, goal: { kind: 'at-most', value: 15 } }, { warmUp: 1, rounds: 2, say: (text) => void said.push(text) }), { name: 'p99', unit: 'ms', summary: { median: 1.5, min: 1, max: 2, count: 2 }, goal: { kind: 'at-most', value: 15 } })
  t.strictSame(said, ['p99: 9 ms (warm-up)', 'p99: 1 ms', 'p99: 2 ms'])
  t.notOk('goal' in (await repeat({ ...single, measure: async () => 1 }, { warmUp: 0, rounds: 1 })))
})

void t.test('meanwhile samples until the work is done, and lets no fault overtake it', async (t) => {
  let turns = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const samples = await meanwhile(promise, async () => {
    turns += 1
    if (turns === 3) resolve()
    await setImmediate()
    return [turns]
  })
  t.strictSame(samples, [1, 2, 3])
  const order: string[] = []
  const slow = async () => {
    await setImmediate()
    order.push('work over')
  }
  await t.rejects(meanwhile(slow(), async () => { throw new Error('no sample') }), /no sample/)
  t.strictSame(order, ['work over'])
  await t.rejects(meanwhile(Promise.reject(new Error('no work')), async () => [1]), /no work/)
})

const SIZED = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello'
const CHUNKED = 'HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n'

function feed(text: string, size: number): WireAnswer | undefined {
  const parser = createAnswerParser()
  let answer: WireAnswer | undefined
  for (let start = 0; start < text.length; start += size) answer = parser.push(Buffer.from(text.slice(start, start + size), 'latin1'))
  return answer
}

void t.test('the answer parser puts an answer together, whole or byte by byte', async (t) => {
  for (const size of [1, 2, 7, 1000]) {
    t.match(feed(SIZED, size), { status: 200, body: Buffer.from('hello') }, `sized, by ${size}`)
    t.match(feed(CHUNKED, size), { status: 503, body: Buffer.from('hello') }, `chunked, by ${size}`)
    t.match(feed('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', size), { status: 200, body: Buffer.alloc(0) }, `empty, by ${size}`)
  }
  for (let length = 0; length < SIZED.length; length += 1) t.equal(feed(SIZED.slice(0, length), 1000), undefined, `the first ${length} bytes are no answer`)
  const hostile = ['SSH-2.0\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n', `${SIZED}!`, `${CHUNKED}!`, 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n']
  for (const text of hostile) t.throws(() => feed(text, 1000), Error, JSON.stringify(text))
})

void t.test('requests of a source: paths go round, digests never come twice', async (t) => {
  const bodyOf = (request: ReturnType<ReturnType<typeof requestsOf>>) => JSON.parse((request as { body: string }).body) as Record<string, unknown>
  const paths = requestsOf({ kind: 'sign-paths', paths: ['/a', '/b'], members: { force: true } })
  t.strictSame([paths(), paths(), paths()].map(bodyOf), [{ path: '/a', force: true }, { path: '/b', force: true }, { path: '/a', force: true }])
  const digests = requestsOf({ kind: 'sign-digests' })
  const batches = requestsOf({ kind: 'sign-batches', items: 3 })
  const items = [bodyOf(digests()), bodyOf(digests()), ...(bodyOf(batches())['items'] as object[]), ...(bodyOf(batches())['items'] as object[])] as { digest: { sha256: string } }[]
  t.equal(new Set(items.map(({ digest }) => digest.sha256)).size, 8)
  for (const { digest } of items) t.match(digest.sha256, /^[0-9a-f]{64}$/)
  t.strictSame(requestsOf({ kind: 'get', path: '/files' })(), { method: 'GET', path: '/files' })
})

void t.test('signing anew asks for force exactly where the document has it', async (t) => {
  const document = (member: string) => stringify({ components: { schemas: { SignPathRequest: { properties: { path: {}, [member]: {} } } } } })
  t.strictSame(signingAnew(document('force')), { force: true })
  t.strictSame(signingAnew(document('recursive')), {})
})

void t.test('packages are written as many and about as large as they are wanted, each one a package of its own', async (t) => {
  const folder = t.testdir()
  const { directory, paths, count, sizeBytes } = writePackages(folder, 'small', { count: 3, sizeBytes: 100_000 })
  t.strictSame([count, sizeBytes], [3, 100_000])
  t.strictSame(readdirSync(directory), paths.map((path) => basename(path)))
  const contents = paths.map((path) => readFileSync(path))
  t.equal(new Set(contents.map((bytes) => bytes.toString('base64'))).size, 3)
  for (const [index, bytes] of contents.entries()) {
    t.ok(Math.abs(bytes.length - 100_000) < 4096, `${bytes.length} bytes`)
    const scanner = createPackageScanner()
    scanner.push(bytes)
    t.match(scanner.end(), { package: `Pkg0000${index}` })
  }
  const { paths: [large] } = writePackages(folder, 'large', { count: 1, sizeBytes: 17 * MIB })
  const { size, blocks } = statSync(large as string)
  t.ok(size > 16 * MIB && blocks * 512 >= size, 'what is large is really written, without holes')
  t.match(packageSource('PkgA', 0), { payload: [{ size: 0 }] })
})

void t.test('a program is run with its input, and fails with the end of what it complained about', async (t) => {
  t.match(await run('cat', [], { input: 'hello' }), { code: 0, stdout: 'hello', stderr: '' })
  await t.rejects(run('sh', ['-c', 'echo no luck >&2; exit 3']), { message: 'sh -c ended with 3: no luck' })
  await t.rejects(run('sh', ['-c', 'kill -KILL $$']), /ended with SIGKILL/)
  await t.rejects(run('no-such-program', []), new Unavailable('no-such-program is not installed'))
  await t.rejects(run('/', []), { code: 'EACCES' })
  await t.rejects(run('false', []), { message: 'false  ended with 1: ' })
  t.strictSame(Object.keys(cleanEnvironment()), ['PATH', 'HOME', 'LANG', 'TMPDIR'])
})

void t.test('a process is ended by a signal, by SIGKILL when it will not, and not twice', async (t) => {
  const gentle = spawn('sleep', ['60'])
  await endChild(gentle)
  t.equal(gentle.signalCode, 'SIGTERM')
  await endChild(gentle)
  const stubborn = spawn('sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 0.05; done'], { stdio: ['ignore', 'pipe', 'ignore'] })
  await once(stubborn.stdout, 'data')
  await endChild(stubborn, { patienceMs: 50 })
  t.equal(stubborn.signalCode, 'SIGKILL')
  const over = spawn('true')
  await once(over, 'exit')
  await endChild(over)
  t.equal(over.exitCode, 0)
})

void t.test('a signal closes what is open, once, before it ends the process; without one it is closed in the end', async (t) => {
  const done: string[] = []
  const closing = Promise.withResolvers<void>()
  const self = Object.assign(new EventEmitter(), { pid: 7, kill: (pid: number, signal: string) => void done.push(`kill ${pid} ${signal}`) })
  const close = async (): Promise<void> => {
    done.push('close')
    await closing.promise
    done.push('closed')
  }
  const interrupted = closeAtSignal(close, self)
  self.emit('SIGTERM', 'SIGTERM')
  t.strictSame([done, self.eventNames()], [['close'], []], 'a second signal finds nobody')
  const disposed = interrupted[Symbol.asyncDispose]().then(() => done.push('disposed'))
  closing.resolve()
  await disposed
  t.strictSame(done, ['close', 'closed', 'kill 7 SIGTERM', 'disposed'])
  done.length = 0
  {
    await using _open = closeAtSignal(close, self)
    t.strictSame(self.eventNames(), ['SIGINT', 'SIGTERM'])
  }
  t.strictSame([done, self.eventNames()], [['close', 'closed'], []])
})

void t.test('the ports are read from the complete lines of the log', async (t) => {
  const line = (listener: string, port: number) => JSON.stringify({ level: 'info', msg: 'listening', listener, port })
  const ports = portsIn(`${line('service', 6000)}\n{"msg":"other"}\nno JSON\n${line('admin', 6001)}\n${line('browser', 6443)}`)
  t.strictSame([...ports], [['service', 6000], ['admin', 6001]])
})

void t.test('the rate of openssl speed is that of signing, in old and in new output', async (t) => {
  const old = '                  sign    verify    sign/s verify/s\nrsa 2048 bits 0.000127s 0.000008s   7856.5 120309.5\n'
  const recent = '                   sign    verify    encrypt   decrypt   sign/s verify/s  encr./s  decr./s\nrsa  2048 bits 0.000127s 0.000008s 0.000009s 0.000130s   7856.5 120309.5 100000.0   7700.0\n'
  t.equal(signaturesPerSecond(old), 7856.5)
  t.equal(signaturesPerSecond(recent), 7856.5)
  t.ok((await opensslSpeed(1)) > 100)
  for (const wrong of ['', 'rsa 2048 bits 1 2 3\n', old.replace('sign/s', 'rate'), old.replace('7856.5', '-')]) t.throws(() => signaturesPerSecond(wrong), /printed no rate/)
})

void t.test('memory growth is the peak during the work above what was there before', async (t) => {
  const { residentBytes, peakBytes } = memoryOf(process.pid)
  t.ok(residentBytes > 1_000_000 && peakBytes >= residentBytes, `${residentBytes} ${peakBytes}`)
  const bytes = 64 * 1024 * 1024
  const growth = await memoryGrowth(process.pid, async () => {
    let large: Buffer | undefined = Buffer.alloc(bytes, 1)
    await setImmediate()
    large = undefined
    return large
  })
  t.ok(growth > bytes * 0.9, `${growth}`)
  t.ok(descriptorsOf(process.pid) > 2)
  t.throws(() => memoryOf(2 ** 30), Unavailable)
})

void t.test('the machine is described, and what cannot be found out is said to be unknown', async (t) => {
  const machine = readMachine()
  t.match(machine, { date: /^\d{4}-\d\d-\d\dT/, commit: /^[0-9a-f]+/, node: process.version, openssl: /^\d+\.\d+/ })
  t.ok(machine.cores >= 1)
  t.match(readMachine({ git: 'no-such-program', openssl: 'no-such-program' }), { commit: 'unknown', openssl: 'unknown' })
  t.equal(commitText('abc', ''), 'abc')
  t.equal(commitText('abc', ' M server/app.ts'), 'abc with changes')
})

void t.test('what a benchmark does in its own thread is profiled where profiles are wanted', async (t) => {
  const folder = t.testdir()
  for (const profileFolder of [undefined, `${folder}/profiles`]) {
    const opened = new AsyncDisposableStack()
    await profileOwnThread({ profileFolder, opened }, 'mine')
    for (let until = performance.now() + 20; performance.now() < until;) JSON.stringify(readdirSync(folder))
    await opened.disposeAsync()
  }
  t.strictSame(readdirSync(`${folder}/profiles`), ['mine.cpuprofile'])
  const { nodes, samples } = JSON.parse(readFileSync(`${folder}/profiles/mine.cpuprofile`, 'utf8')) as { nodes: readonly unknown[]; samples: readonly unknown[] }
  t.ok(nodes.length > 0 && samples.length > 0)
})
