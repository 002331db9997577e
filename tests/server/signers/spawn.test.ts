import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startCommand } from '../../../server/signers/run-command.ts'
import type { CommandRun, RunResult } from '../../../server/signers/spawn-protocol.ts'
import { createSpawner } from '../../../server/signers/spawn.ts'
import type { Spawner } from '../../../server/signers/spawn.ts'
import { eventually, isRunning } from '../../helpers/processes.ts'

// The commands under test are scripts of a shell; that nothing of ours is ever one of its scripts is a test below.
type Changes = Partial<Omit<CommandRun, 'command'>>
const script = (text: string, changes: Changes = {}): CommandRun => ({
  command: ['/bin/sh', '-c', text], cwd: '/', environment: { PATH: '/usr/bin:/bin' }, timeoutMs: 20_000, outputBytes: 100_000, ...changes,
})

function spawnerFor(t: Test, options?: Readonly<{ marginMs: number }>): Spawner {
  const spawner = createSpawner(options)
  t.teardown(() => spawner.close())
  return spawner
}

/** Resolves with the number that a command writes to a file. */
async function numberIn(file: string): Promise<number> {
  const read = (): string => { try { return readFileSync(file, 'latin1') } catch { return '' } }
  await eventually(() => read().endsWith('\n'))
  return Number(read())
}

/** The names in an environment, as the kernel writes it, but for those of the test runner, which follow every Node process and its children. */
const namesIn = (environment: string): string[] => {
  const names = environment.split('\0').map((entry) => entry.split('=')[0] as string)
  return names.filter((name) => name !== '' && !/^(?:_TAPJS_|NODE_OPTIONS$|NODE_V8_COVERAGE$)/.test(name)).sort()
}

/** Options of env(1) that leave out what the test runner puts into the environment of every child: its values are long lists. */
const runnersNames = (): string[] => Object.keys(process.env).flatMap((name) => (name.startsWith('_TAPJS_') ? ['-u', name] : []))

const pidOfHelper = async (spawner: Spawner): Promise<number> => Number((await spawner.run(script('echo $PPID'))).stdout)

t.test('a run resolves with how the command ended and the last of what it printed', async (t) => {
  const spawner = spawnerFor(t)
  const rows: readonly [string, CommandRun, RunResult][] = [
    ['success', script('echo out; echo err >&2'), { kind: 'exited', status: 0, stdout: 'out\n', stderr: 'err\n' }],
    ['failure', script('exit 3'), { kind: 'exited', status: 3, stdout: '', stderr: '' }],
    ['a signal', script('kill -SEGV $$'), { kind: 'signalled', signal: 'SIGSEGV', stdout: '', stderr: '' }],
    ['no such program', { ...script(''), command: ['/no/such/program'] }, { kind: 'notStarted', reason: 'ENOENT', stdout: '', stderr: '' }],
    ['no program', { ...script(''), command: ['/etc/passwd'] }, { kind: 'notStarted', reason: 'EACCES', stdout: '', stderr: '' }],
    ['no such folder', script('true', { cwd: '/no/such/folder' }), { kind: 'notStarted', reason: 'ENOENT', stdout: '', stderr: '' }],
    ['an argument that no program can be given', { ...script(''), command: ['/bin/true', 'a\0b'] }, { kind: 'notStarted', reason: 'ERR_INVALID_ARG_VALUE', stdout: '', stderr: '' }],
    ['its end is what is kept', script('head -c 3000 /dev/zero | tr "\\0" a; echo z'), { kind: 'exited', status: 0, stdout: `${'a'.repeat(2046)}z\n`, stderr: '' }],
  ]
  const results = await Promise.all(rows.map(([, run]) => spawner.run(run)))
  for (const [index, [name, , want]] of rows.entries()) t.strictSame(results[index], want, name)
})

t.test('a command gets exactly its arguments and environment, nothing on standard input, a group of its own and a private umask', async (t) => {
  const spawner = spawnerFor(t)
  const odd = ['a b', '$(touch /tmp/x)', '; exit 9', '*', '', '-n', '\'"`\n']
  const printf = await spawner.run({ ...script(''), command: ['/usr/bin/printf', '<%s>', ...odd] })
  t.equal(printf.stdout, odd.map((each) => `<${each}>`).join(''), 'no shell looks at the arguments')
  const environment = await spawner.run({ ...script('', { environment: { PATH: '/usr/bin:/bin', ODMDIR: '/etc/objrepos' }, outputBytes: 1_048_576 }), command: ['/usr/bin/env', ...runnersNames(), '-0'] })
  t.strictSame(namesIn(environment.stdout), ['ODMDIR', 'PATH'])
  const own = await spawner.run(script('cat; umask; ps -o pgid= -o sid= -o pid= -p $$'))
  const [umask, ids] = own.stdout.split('\n') as [string, string]
  t.equal(umask, '0077')
  const [pgid, sid, pid] = ids.trim().split(/ +/)
  t.strictSame([pgid, sid], [pid, pid])
})

t.test('the helper has an empty environment and outlives the signals of a terminal', async (t) => {
  const spawner = spawnerFor(t)
  const pid = await pidOfHelper(spawner)
  t.strictSame(namesIn(readFileSync(`/proc/${pid}/environ`, 'latin1')), ['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE'])
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal)
  await spawner.probe()
  t.equal(await pidOfHelper(spawner), pid, 'it is still the same process')
})

t.test('a command that runs out of time is killed with its whole group, whatever signals it ignores', async (t) => {
  const spawner = spawnerFor(t)
  const dir = t.testdir({})
  const started = performance.now()
  const run = spawner.run(script('trap "" TERM INT HUP; echo before; sleep 60 & echo $! > child; wait; sleep 60', { cwd: dir, timeoutMs: 300 }))
  const child = await numberIn(join(dir, 'child'))
  t.ok(isRunning(child))
  t.strictSame(await run, { kind: 'timedOut', stdout: 'before\n', stderr: '' })
  t.ok(performance.now() - started < 5000)
  await eventually(() => !isRunning(child))
})

t.test('a command has ended when its main process has: what it left behind is killed and its open pipes delay nothing', async (t) => {
  const spawner = spawnerFor(t)
  const dir = t.testdir({})
  const started = performance.now()
  const result = await spawner.run(script('sleep 60 & echo $! > child; echo done', { cwd: dir }))
  t.strictSame(result, { kind: 'exited', status: 0, stdout: 'done\n', stderr: '' })
  const child = await numberIn(join(dir, 'child'))
  await eventually(() => !isRunning(child))

  const escaped = await spawner.run(script('setsid sleep 60 & echo $! > escaped; while ! test -s escaped; do :; done; sleep 0.1; echo done', { cwd: dir }))
  t.strictSame(escaped, { kind: 'exited', status: 0, stdout: 'done\n', stderr: '' }, 'even when it left the group and cannot be found')
  t.ok(performance.now() - started < 5000)
  process.kill(await numberIn(join(dir, 'escaped')), 'SIGKILL')
})

t.test('output beyond the bound ends the command and costs no memory', async (t) => {
  const spawner = spawnerFor(t)
  const dir = t.testdir({})
  const started = performance.now()
  const endless = await spawner.run(script('echo $$ > pid; sleep 60 & cat /dev/zero', { cwd: dir, outputBytes: 50_000 }))
  t.equal(endless.kind, 'outputTooLarge')
  t.equal(endless.stdout.length, 2048)
  t.ok(performance.now() - started < 5000)
  const pid = await numberIn(join(dir, 'pid'))
  await eventually(() => !isRunning(pid))

  const allowed = await spawner.run(script('head -c 400000000 /dev/zero; echo end >&2', { outputBytes: 400_000_004 }))
  t.strictSame([allowed.kind, allowed.stderr, allowed.stdout.length], ['exited', 'end\n', 2048])
  const helper = await pidOfHelper(spawner)
  const peakKiB = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${helper}/status`, 'latin1'))?.[1])
  t.ok(peakKiB < 200_000, `the helper peaked at ${peakKiB} KiB while 400 MB went through it`)
  const both = await spawner.run(script('head -c 6 /dev/zero; head -c 6 /dev/zero >&2', { outputBytes: 11 }))
  t.equal(both.kind, 'outputTooLarge', 'both streams count, also when the command was quick to exit')
})

t.test('an aborted run is killed and resolves as aborted; the others run on', async (t) => {
  const spawner = spawnerFor(t)
  const dir = t.testdir({})
  const controller = new AbortController()
  const aborted = spawner.run(script('echo $$ > pid; sleep 60', { cwd: dir }), controller.signal)
  const other = spawner.run(script('sleep 0.5; echo other'), new AbortController().signal)
  const pid = await numberIn(join(dir, 'pid'))
  controller.abort()
  t.equal((await aborted).kind, 'aborted')
  await eventually(() => !isRunning(pid))
  t.equal((await other).stdout, 'other\n')
  t.strictSame(await spawner.run(script('true'), AbortSignal.abort()), { kind: 'aborted', stdout: '', stderr: '' }, 'before it began')
  const late = new AbortController()
  await spawner.run(script('true'), late.signal)
  late.abort()
  await spawner.probe()
})

t.test('a killed helper takes its runs with it, and the next run has a new one', async (t) => {
  const spawner = spawnerFor(t)
  const dir = t.testdir({})
  const helper = await pidOfHelper(spawner)
  const lost = t.rejects(spawner.run(script('sleep 60 & echo $! > child; echo $$ > pid; wait', { cwd: dir })), { name: 'SigningError', code: 'SIGNER_FAILED' })
  const other = t.rejects(spawner.run(script('sleep 60')), { code: 'SIGNER_FAILED' })
  const pids = [await numberIn(join(dir, 'pid')), await numberIn(join(dir, 'child'))]
  await spawner.probe()
  process.kill(helper, 'SIGKILL')
  await Promise.all([lost, other])
  await eventually(() => !pids.some(isRunning))
  t.not(await pidOfHelper(spawner), helper)
})

t.test('a helper that does not stay up is not started again and again', async (t) => {
  const spawner = spawnerFor(t)
  const kill = async (): Promise<void> => process.kill(await pidOfHelper(spawner), 'SIGKILL') && undefined
  for (let count = 0; count < 3; count += 1) {
    await kill()
    await t.rejects(spawner.run(script('sleep 60')), { code: 'SIGNER_FAILED' })
  }
  // Three starts within a second on any machine that can do so; a slower one is not limited.
  await spawner.run(script('true')).then(
    () => t.comment('this machine needs more than a second for three starts'),
    (error: unknown) => t.match(error, { code: 'SIGNER_NOT_AVAILABLE' }),
  )
  await new Promise((resolve) => setTimeout(resolve, 1000))
  await spawner.probe()
})

t.test('a helper that hangs is taken for dead: runs and probes fail instead of waiting for it', async (t) => {
  const spawner = spawnerFor(t, { marginMs: 300 })
  const dir = t.testdir({})
  const stopped = await pidOfHelper(spawner)
  const run = t.rejects(spawner.run(script('echo $$ > pid; sleep 60', { cwd: dir, timeoutMs: 700 })), { code: 'SIGNER_FAILED' })
  const pid = await numberIn(join(dir, 'pid'))
  // The helper has told the pid before it answers this: a run is known from then on.
  await spawner.probe()
  process.kill(stopped, 'SIGSTOP')
  await run
  await eventually(() => !isRunning(stopped) && !isRunning(pid))

  process.kill(await pidOfHelper(spawner), 'SIGSTOP')
  await t.rejects(spawner.probe(), { code: 'SIGNER_FAILED' })
  const hanging = await pidOfHelper(spawner)
  process.kill(hanging, 'SIGSTOP')
  await spawner.close()
  t.notOk(isRunning(hanging), 'close does not wait for it either')
})

t.test('close ends the helper and what runs, and nothing is started afterwards', async (t) => {
  const spawner = spawnerFor(t)
  const dir = t.testdir({})
  const helper = await pidOfHelper(spawner)
  const run = t.rejects(spawner.run(script('echo $$ > pid; sleep 60', { cwd: dir })), { code: 'SHUTTING_DOWN' })
  const pid = await numberIn(join(dir, 'pid'))
  await spawner.close()
  await run
  t.notOk(isRunning(helper))
  await eventually(() => !isRunning(pid))
  await t.rejects(spawner.run(script('true')), { code: 'SHUTTING_DOWN' })
  await t.rejects(spawner.probe(), { code: 'SHUTTING_DOWN' })
  await spawner.close()
  await createSpawner().close()
})

t.test('when the server dies, its helper and every command die too', async (t) => {
  const dir = t.testdir({})
  const spawner = spawnerFor(t)
  const module = new URL('../../../server/signers/spawn.ts', import.meta.url)
  writeFileSync(join(dir, 'server.mjs'), `
    import { createSpawner } from ${JSON.stringify(module.href)}
    createSpawner().run({ command: ['/bin/sh', '-c', 'echo $PPID > helper; echo $$ > pid; sleep 60'], cwd: ${JSON.stringify(dir)},
      environment: { PATH: '/usr/bin:/bin' }, timeoutMs: 60000, outputBytes: 1000 })
    setInterval(() => {}, 1000)`)
  const server = spawner.run({ ...script('', { cwd: dir }), command: [process.execPath, join(dir, 'server.mjs')], timeoutMs: 20_000 })
  const pids = [await numberIn(join(dir, 'pid')), await numberIn(join(dir, 'helper'))]
  t.ok(pids.every(isRunning))
  await spawner.close()
  await t.rejects(server)
  await eventually(() => !pids.some(isRunning))
})

t.test('startCommand answers later and once, and a run that could not start can be cancelled', async (t) => {
  const rows: readonly [readonly string[], boolean, RunResult['kind']][] = [
    [['/bin/true'], false, 'exited'],
    [['/bin/sleep', '60'], true, 'aborted'],
    [['/no/such/program'], false, 'notStarted'],
    [['/bin/true', 'a\0b'], true, 'notStarted'],
  ]
  for (const [command, cancels, want] of rows) {
    const ends: RunResult[] = []
    const started = startCommand({ ...script(''), command }, (result) => ends.push(result))
    t.strictSame(ends, [])
    if (cancels) started.cancel()
    await eventually(() => ends.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 300))
    t.strictSame(ends.map((end) => end.kind), [want], command.join(' '))
    t.equal(started.pid === undefined, want === 'notStarted')
  }
})
