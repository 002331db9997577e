import t from 'tap'
import { flameGraph, type CpuProfile } from '../../benchmarks/harness/flame-graph.ts'
import { Unavailable } from '../../benchmarks/harness/measurement.ts'
import { cpuByThread } from '../../benchmarks/harness/thread-times.ts'

const node = (id: number, functionName: string, url: string, children: readonly number[] = []): CpuProfile['nodes'][number] => ({ id, callFrame: { functionName, url, lineNumber: 6 }, children })

t.test('a flame graph has a box per function, as wide as its share of the work; waiting is none', async (t) => {
  const nodes = [
    node(1, '(root)', '', [2, 3, 4, 7]), node(2, '(idle)', ''), node(3, 'sign', 'file:///somewhere/server/operations/sign.ts', [5, 6]), node(4, '(garbage collector)', ''),
    node(5, 'writeBuffer', 'node:fs'), node(6, '', 'file:///somewhere/node_modules/pino/lib/a<b>.js'), node(7, 'rare', 'node:fs'),
  ]
  const svg = flameGraph({ nodes, samples: [2, 3, 5, 5, 6, 4, 7, 7], timeDeltas: [1_000_000, 1000, 2000, 2000, 3000, 1992, 8, -5] }, 'a & b')
  t.match(svg, /^<svg .*a &amp; b: 10 ms of work/s)
  t.match(svg, /<title>sign server\/operations\/sign.ts:7 80.0 %<\/title><rect x="0.0" y="\d+" width="960.0" height="15" fill="#8c8"/)
  t.match(svg, /<title>writeBuffer node:fs:7 40.0 %<\/title><rect x="0.0" y="\d+" width="480.0" height="15" fill="#9bd"/)
  t.match(svg, /<title>\(anonymous\) pino\/lib\/a&lt;b&gt;.js:7 30.0 %<\/title><rect x="480.0" y="\d+" width="360.0" height="15" fill="#dd8"/)
  t.match(svg, /<title>\(garbage collector\) 19.9 %<\/title>.*fill="#e99"/)
  t.notMatch(svg, /rare|idle/, 'a box under two pixels is left out, and so is waiting')
})

t.test('a call chain without an end is drawn to a depth, and one without a child list is a leaf', async (t) => {
  const depth = 200
  const nodes = Array.from({ length: depth }, (_, at) => (at === depth - 1 ? { id: depth, callFrame: { functionName: 'deepest', url: '', lineNumber: 0 } } : node(at + 1, `level ${at}`, '', [at + 2])))
  const svg = flameGraph({ nodes, samples: [depth], timeDeltas: [1000] }, 'deep')
  t.equal((svg.match(/<title>/g) ?? []).length, 60)
  t.notMatch(svg, /deepest/)
  t.match(flameGraph({ nodes: [node(1, '(root)', '')], samples: [], timeDeltas: [] }, 'nothing'), /0 ms of work/)
  t.match(flameGraph({ nodes: [{ id: 1, callFrame: { functionName: '(root)', url: '', lineNumber: 0 } }], samples: [], timeDeltas: [] }, 'nothing'), /0 ms of work/)
})

t.test('the time of threads is read by thread, with the name of each', { skip: process.platform !== 'linux' && 'only Linux has /proc' }, async (t) => {
  const before = cpuByThread(process.pid)
  for (const end = performance.now() + 60; performance.now() < end;) continue
  const main = String(process.pid)
  t.match(before.get(main)?.name, /^node/)
  t.ok((cpuByThread(process.pid).get(main)?.cpuMs ?? 0) > (before.get(main)?.cpuMs ?? Infinity))
  t.throws(() => cpuByThread(2 ** 30), Unavailable)
})
