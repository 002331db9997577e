import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { runBench } from '../../benchmarks/command.ts'
import type { Bench, Benchmark } from '../../benchmarks/harness/benchmark.ts'
import { chart } from '../../benchmarks/harness/chart.ts'
import { Unavailable, type Measurement } from '../../benchmarks/harness/measurement.ts'
import { publish, readReport, withTable } from '../../benchmarks/harness/publish.ts'
import { markdownTable, mergeReports, type Report } from '../../benchmarks/harness/table.ts'

const PAGE = '# Page\n\n<!-- results: written by npm run bench -- --publish -->\nold\n<!-- end of results -->\n\nEnd\n'
const side = (label: string, median: number) => ({ label, unit: 'packages/s', summary: { median, min: 1, max: 9000, count: 7 } })

const met: Measurement = { name: '1,000 × 100 KiB', unit: '×', summary: { median: 0.9, min: 0.85, max: 0.95, count: 7 }, goal: { kind: 'at-least', value: 0.88 }, sides: { ours: side('server', 4500), theirs: side('loop2', 5000) } }
const missed: Measurement = { name: 'p99 | of <all>', unit: 'ms', summary: { median: 30, min: 20, max: 40, count: 7 }, goal: { kind: 'at-most', value: 15 } }
const plain: Measurement = { name: 'a figure', unit: 'MiB', summary: { median: 3, min: 3, max: 3, count: 1 } }

function benchmark(name: string, run: Benchmark['run']): Benchmark {
  return { name, number: '1', title: `The title of ${name}`, run }
}

function ioFor(t: Test) {
  const folder = t.testdir({ 'README.md': PAGE })
  const printed: string[] = []
  const complaints: string[] = []
  return {
    folder,
    printed: () => printed.join(''),
    complaints: () => complaints.join(''),
    io: { print: (text: string) => void printed.push(text), complain: (text: string) => void complaints.push(text), cwd: folder, results: join(folder, 'results'), readme: join(folder, 'README.md') },
  }
}

void t.test('bench prints what each measurement came to and whether it meets its goal, and is content whatever the verdicts', async (t) => {
  const { io, printed, complaints } = ioFor(t)
  const seen: Bench[] = []
  const closed: string[] = []
  const all = [benchmark('one', async (bench) => {
    seen.push(bench)
    bench.opened.defer(() => void closed.push('one'))
    bench.rounds.say?.('a round')
    await writeFile(join(bench.folder, 'file'), 'x')
    return [met, missed, plain]
  })]
  t.equal(await runBench([], all, io), 0)
  t.match(printed(), '  1,000 × 100 KiB: median 0.9 ×, 0.85 to 0.95 in 7 rounds; meets ≥ 0.88 (server 4,500 packages/s; loop2 5,000 packages/s)\n')
  t.match(printed(), '  p99 | of <all>: median 30 ms, 20 to 40 in 7 rounds; misses ≤ 15\n')
  t.match(printed(), '  a figure: median 3 MiB, 3 to 3 in 1 rounds; no goal\n')
  t.match(printed(), '1 goals met, 1 missed; 0 benchmarks failed, 0 not available here\n')
  t.equal(complaints(), '  a round\n')
  t.match(seen, [{ store: 'sqlite', rounds: { warmUp: 1, rounds: 7 } }])
  t.equal(seen[0]?.size(10, 1), 10)
  t.equal(seen[0]?.profileFolder, undefined)
  t.notOk(existsSync(seen[0]?.folder as string), 'its folder is removed')
  t.strictSame(closed, ['one'])
})

void t.test('a benchmark that fails says so, lets the others run, and makes the status 1', async (t) => {
  const { io, printed, complaints, folder } = ioFor(t)
  const all = [
    benchmark('broken', async ({ opened }) => {
      opened.defer(() => { throw new Error('does not close') })
      throw new Error('the server answered 500')
    }),
    // oxlint-disable-next-line typescript/only-throw-error -- what a program might throw
    benchmark('odd', async () => { throw 'a text' }),
    benchmark('absent', async () => { throw new Unavailable('no PostgreSQL here') }),
    benchmark('works', async () => [met]),
  ]
  t.equal(await runBench(['--json', 'out.json'], all, io), 1)
  t.match(printed(), 'broken (goal 1): The title of broken\n  FAILED: the server answered 500\n')
  t.match(printed(), '  FAILED: a text\n')
  t.match(printed(), '  not available here: no PostgreSQL here\n')
  t.match(printed(), '1 goals met, 0 missed; 2 benchmarks failed, 1 not available here\n')
  t.match(complaints(), 'broken did not close everything: Error: does not close')
  const { results } = JSON.parse(readFileSync(join(folder, 'out.json'), 'utf8')) as Report
  t.strictSame(results.map(({ benchmark: name, kind }) => [name, kind]), [['broken', 'failed'], ['odd', 'failed'], ['absent', 'unavailable'], ['works', 'measured']])
  t.match(results[3], { quick: false, store: 'sqlite', machine: { node: process.version }, measurements: [met] })
  t.equal(await runBench(['absent'], all, io), 0, 'what is not available is no failure')
})

void t.test('bench takes names and options, and refuses what it does not know', async (t) => {
  const { io, printed, complaints } = ioFor(t)
  const seen: [string, Bench][] = []
  const all = ['one', 'two'].map((name) => benchmark(name, async (bench) => {
    seen.push([name, bench])
    return []
  }))
  t.equal(await runBench(['two', '--quick', '--store', 'postgres', '--profile', 'profiles'], all, io), 0)
  t.match(seen, [['two', { store: 'postgres', rounds: { warmUp: 0, rounds: 1 }, profileFolder: join(io.cwd, 'profiles') }]])
  t.equal(seen[0]?.[1].size(10, 1), 1)
  t.equal(await runBench(['one', '--rounds', '3'], all, io), 0)
  t.match(seen[1], ['one', { rounds: { rounds: 3 } }])
  t.equal(await runBench(['--list'], all, io), 0)
  t.match(printed(), /^one {18}1 {5}The title of one\ntwo {18}1 {5}The title of two\n/m)
  t.equal(await runBench(['--help'], all, io), 0)
  t.match(printed(), /^usage: npm run bench/m)
  const wrong = [['three'], ['--rounds', '0'], ['--rounds', 'x'], ['--store', 'mysql'], ['--publish', '--quick'], ['--unknown']]
  for (const args of wrong) t.equal(await runBench(args, all, io), 2, args.join(' '))
  t.match(complaints(), 'bench: there is no benchmark three; --list names them\nusage: ')
  t.match(complaints(), 'bench: --store is one of sqlite, postgres\n')
  t.equal(seen.length, 2, 'nothing ran')
})

void t.test('bench measures nothing when its results could not be written, and prints what it measured when they cannot be after all', async (t) => {
  const { io, printed, complaints, folder } = ioFor(t)
  let runs = 0
  const all = [benchmark('one', async () => {
    runs += 1
    return [met]
  })]
  const file = join(folder, 'README.md')
  const places = [[['--json', join(file, 'out.json')], io], [['--profile', join(file, 'profiles')], io], [['--publish'], { ...io, results: file }], [['--publish'], { ...io, readme: join(folder, 'absent.md') }]] as const
  for (const [args, given] of places) t.equal(await runBench(args, all, given), 2, args.join(' '))
  t.equal(runs, 0)
  t.match(complaints(), /^(?:bench: the results could not be written: E[A-Z]+: [^\n]*\n){4}$/)
  const gone = [benchmark('one', async () => {
    rmSync(join(folder, 'json'), { recursive: true })
    return [met]
  })]
  mkdirSync(join(folder, 'json'))
  await t.rejects(runBench(['--json', 'json/out.json'], gone, io), { code: 'ENOENT' })
  t.match(printed(), '1 goals met, 0 missed;')
})

const machine = { date: '2026-11-24T08:00:00.000Z', commit: 'abc', cpu: 'CPU', cores: 2, memoryGib: 8, kernel: '6', node: 'v26', opensslInNode: '3.5', openssl: '3.0', load: 0 }
type Entry = Report['results'][number]
const entry = (name: string, outcome: object, store = 'sqlite') => ({ benchmark: name, number: '1', title: name, seconds: 1, machine, quick: false, store, ...outcome }) as Entry
const measured = (name: string, measurements: readonly Measurement[], store?: string) => entry(name, { kind: 'measured', measurements }, store)

void t.test('the Markdown table has a row per measurement, and one for what failed', async (t) => {
  const table = markdownTable({ results: [measured('one', [met, missed, plain]), entry('two', { kind: 'failed', reason: 'no\nluck' }), entry('three', { kind: 'unavailable', reason: 'absent' })] })
  t.strictSame(table.split('\n'), [
    '| goal | benchmark | median | min to max (rounds) | wanted | verdict | beside |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    '| 1 | `one`: 1,000 × 100 KiB | 0.9 × | 0.85 to 0.95 (7) | ≥ 0.88 | meets | server 4,500 packages/s; loop2 5,000 packages/s |',
    '| 1 | `one`: p99 \\| of <all> | 30 ms | 20 to 40 (7) | ≤ 15 | misses |  |',
    '| 1 | `one`: a figure | 3 MiB | 3 to 3 (1) |  |  |  |',
    '| 1 | `two`: two |  |  |  | **failed** | no luck |',
    '| 1 | `three`: three |  |  |  | not available | absent |',
    '',
  ])
})

void t.test('the chart has a bar per goal that ends at the goal line when the goal is just met, and nothing that breaks XML', async (t) => {
  const just = { ...met, name: 'just', summary: { median: 0.88, min: 0.88, max: 0.88, count: 1 } }
  const far = { ...missed, name: 'nothing', summary: { median: 0, min: 0, max: 0, count: 1 } }
  const svg = chart({ results: [measured('one', [just, missed, plain, far]), entry('two', { kind: 'failed', reason: '' })] })
  t.equal([...svg.matchAll(/<rect [^>]*fill="#(2a7|c43)"/g)].length, 3, 'a figure without a goal has no bar')
  t.match(svg, /<rect x="420" y="18" width="100" height="14" fill="#2a7"\/>/, 'a third of the width')
  t.match(svg, /<rect x="420" y="36" width="50" height="14" fill="#c43"\/>/, 'twice as long as wanted is half a goal')
  t.match(svg, /<rect x="420" y="54" width="300" height="14" fill="#2a7"\/>/, 'no further than the axis')
  t.match(svg, 'one: p99 | of &lt;all&gt;</text>')
  t.match(svg, /^<svg [^]*<\/svg>\n$/)
})

void t.test('publishing renews what was measured anew and keeps the rest, in the order of the suite', async (t) => {
  const { io, folder } = ioFor(t)
  const places = { ...io, names: ['one', 'two'] }
  await publish({ results: [measured('two', [met])] }, places)
  await publish({ results: [measured('one', [met]), measured('one', [met], 'postgres')] }, places)
  await publish({ results: [measured('two', [missed])] }, places)
  const report = await readReport(join(folder, 'results', 'latest.json'))
  t.strictSame(report.results.map(({ benchmark: name, store }) => [name, store]), [['one', 'sqlite'], ['one', 'postgres'], ['two', 'sqlite']])
  const page = readFileSync(io.readme, 'utf8')
  t.match(page, /^# Page\n[^]*Made on 2026-11-24 from commit abc: 2 cores of CPU, 8 GiB, Linux 6, Node v26 \(OpenSSL 3.5\), `openssl` 3.0\.\n[^]*p99[^]*<!-- end of results -->\n\nEnd\n$/)
  t.notMatch(page, 'old')
  t.equal(withTable(page, report), page, 'what is published is replaced, not repeated')
  t.match(readFileSync(join(folder, 'results', 'chart.svg'), 'utf8'), /^<svg /)
  t.throws(() => withTable('# Page\n', report), /no place for the table/)
  t.strictSame(mergeReports({ results: [measured('gone', [])] }, { results: [measured('one', [])] }, ['one']).results.map(({ benchmark: name }) => name), ['one', 'gone'], 'what the suite no longer has comes last')
})

void t.test('bench --publish writes the results', async (t) => {
  const { io, folder } = ioFor(t)
  t.equal(await runBench(['--publish'], [benchmark('one', async () => [met])], io), 0)
  t.match(await readReport(join(folder, 'results', 'latest.json')), { results: [{ benchmark: 'one', measurements: [met] }] })
})
