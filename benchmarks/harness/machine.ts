import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, release, totalmem, type CpuInfo } from 'node:os'

/** Where and when a run was made. `load` is the load average of the last minute before it: above 0.5 or so others had their share. */
export type Machine = Readonly<{ date: string; commit: string; cpu: string; cores: number; memoryGib: number; kernel: string; node: string; opensslInNode: string; openssl: string; load: number }>

const PROGRAMS = { git: 'git', openssl: 'openssl' } as const

/** Returns the facts of this machine. What cannot be found out is `unknown`. */
export function readMachine({ git, openssl }: Readonly<Record<keyof typeof PROGRAMS, string>> = PROGRAMS): Machine {
  return {
    date: new Date().toISOString(),
    commit: commitText(output(git, ['rev-parse', '--short', 'HEAD']), output(git, ['status', '--porcelain', '--', '../../server', '../../formats'])),
    cpu: (cpus()[0] as CpuInfo).model.trim(),
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    opensslInNode: process.versions.openssl,
    openssl: output(openssl, ['version']).replace(/^OpenSSL (\S+).*$/, '$1'),
    load: Math.round((loadavg()[0] as number) * 100) / 100,
  }
}

/** Returns how a commit is named: with a word where what is measured was changed since. */
export function commitText(head: string, changes: string): string {
  return changes === '' ? head : `${head} with changes`
}

function output(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}
