import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { mock } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { formatBytes, formatDuration, renderProgress, startProgress } from '../../cli/progress.ts'
import { createTerminal } from '../../cli/terminal.ts'
import { scriptedServer } from '../sdk/scripted-server.ts'
import { capture, flagsFor, MAIN, signature } from './harness.ts'

const MIB = 1_048_576
const signal = new AbortController().signal

void t.test('the bar shows files, bytes, rate and time left, and never fills a line', async (t) => {
  const progress = { done: 12, total: 100, bytes: 34.5 * MIB, elapsedMs: 6000 }
  t.equal(renderProgress(progress, 100), '[==>                           ]  12/100 files  34.5 MiB  5.8 MiB/s  0:44 left')
  t.equal(renderProgress(progress, 70), '[=>                   ]  12/100 files  34.5 MiB  5.8 MiB/s  0:44 left')
  t.equal(renderProgress(progress, 55), ' 12/100 files  34.5 MiB  5.8 MiB/s  0:44 left')
  t.equal(renderProgress(progress, 20), ' 12/100 files  34.5')
  t.equal(renderProgress({ done: 0, total: 4, bytes: 0, elapsedMs: 0 }, 60), `[${' '.repeat(24)}] 0/4 files  0 B  - B/s  -:-- left`)
  t.equal(renderProgress({ done: 4, total: 4, bytes: 4096, elapsedMs: 1000 }, 80), `[${'='.repeat(29)}>] 4/4 files  4.0 KiB  4.0 KiB/s  0:00 left`)
  const widths = Array.from({ length: 130 }, (_, columns) => columns)
  t.strictSame(widths.filter((columns) => renderProgress(progress, columns).length > Math.max(0, columns - 1)), [])
})

void t.test('bytes and durations have the unit that suits', async (t) => {
  for (const [bytes, want] of [[0, '0 B'], [1023, '1023 B'], [1024, '1.0 KiB'], [2 * 1024 * MIB, '2.0 GiB'], [5000 * 1024 * MIB, '5000.0 GiB']] as const) t.equal(formatBytes(bytes), want)
  for (const [ms, want] of [[0, '0:00'], [1, '0:01'], [59_500, '1:00'], [754_000, '12:34'], [3_723_000, '1:02:03']] as const) t.equal(formatDuration(ms), want)
})

void t.test('the bar is drawn at most ten times a second, now and then while nothing happens, and makes room for lines', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  let now = 0
  const [stdout, stderr] = [capture(80), capture(80)]
  const terminal = createTerminal({ stdout, stderr, signal }, false)
  const draws = () => stderr.said().split('files').length - 1
  const bar = startProgress(terminal, { total: 1000, now: () => now })
  for (let file = 0; file < 500; file += 1) {
    now += 1
    bar.add(1024)
  }
  t.equal(draws(), 6)
  mock.timers.tick(500)
  t.equal(draws(), 7, 'a tick')
  await terminal.out('a record\n')
  terminal.line('a line')
  t.ok(stderr.said().endsWith('left\u001b[K\r\u001b[Ka line\n\r[===========>             ]  500/1000 files  500.0 KiB  1000.0 KiB/s  0:01 left\u001b[K'), JSON.stringify(stderr.said().slice(-200)))
  t.equal(stderr.said().split('\r\u001b[K').length - 1, 2, 'stdout on the same terminal needs the room too')
  bar.stop()
  t.ok(stderr.said().endsWith('\u001b[K\r\u001b[K'))
  mock.timers.tick(5000)
  t.equal(draws(), 9, 'stopped')
})

void t.test('a bar on stderr lets a stdout that is no terminal alone, and assumes 80 columns where none are told', async (t) => {
  const stderr = Object.assign(capture(), { isTTY: true })
  const terminal = createTerminal({ stdout: capture(), stderr, signal }, false)
  t.ok(terminal.live)
  terminal.status((columns) => `${columns}`)
  await terminal.out('a record\n')
  t.equal(stderr.said(), '\r80\u001b[K')
  const unsized = capture(0)
  createTerminal({ stdout: capture(), stderr: unsized, signal }, false).status((columns) => `${columns}`)
  t.equal(unsized.said(), '\r80\u001b[K', 'a pseudo terminal without a size has 0')
  t.notOk(createTerminal({ stdout: capture(), stderr, signal }, true).live, '--quiet')
  t.notOk(createTerminal({ stdout: capture(), stderr: capture(), signal }, false).live)
})

const python = spawnSync('python3', ['-c', 'import pty']).status === 0
const PTY = `
import os, pty, sys
def read(fd):
    data = os.read(fd, 65536)
    return data
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:], read)))
`

void t.test('on a pseudo terminal a directory shows the bar and ends with a clean screen', { skip: python ? false : 'no python3 with pty' }, async (t) => {
  const files = ['a', 'b', 'c']
  const server = await scriptedServer(t, async (response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    const write = (event: object) => response.write(`${JSON.stringify(event)}\n`)
    write({ event: 'listing', kind: 'directory', path: '/pkgs', files })
    for (const name of files) {
      await sleep(120)
      write({ event: 'signature', name, signature: signature({ sizeBytes: MIB }) })
    }
    write({ event: 'end', signed: 3, failed: 0, skipped: 0 })
    response.end()
  })
  const child = spawn('python3', ['-c', PTY, process.execPath, MAIN, ...(await flagsFor(server)), '/pkgs'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [screen, [status]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.equal(status, 0)
  t.match(screen, /3\/3 files {2}3\.0 MiB {2}.*\/s {2}0:00 left/)
  t.match(screen, 'List of files in /pkgs:\r\na\r\nb\r\nc\r\n\r\n')
  t.match(screen, /\r.\[Ksigned 3 of 3 files, failed 0, skipped 0\r\nconnection ended\r\n$/)
})
