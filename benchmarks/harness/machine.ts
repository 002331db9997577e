import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

/** Where and when a run was made. `load` is the load average of the last minute before it: above 0.5 or so others had their share. */
export type Machine = Readonly<{ date: string; commit: string; cpu: string; cores: number; memoryGib: number; kernel: string; node: string; opensslInNode: string; openssl: string; load: number }>

/** Returns the facts of this machine. What cannot be found out is `unknown`. */
export function readMachine(clock: () => Date = () => new Date()): Machine {
  return {
    date: clock().toISOString(),
    commit: `${output('git', ['rev-parse', '--short', 'HEAD'])}${output('git', ['status', '--porcelain', '--', 'server', 'formats']) === '' ? '' : ' with changes'}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    opensslInNode: process.versions.openssl,
    openssl: output('openssl', ['version']).split(' ')[1] ?? 'unknown',
    load: Math.round((loadavg()[0] as number) * 100) / 100,
  }
}

function output(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}
