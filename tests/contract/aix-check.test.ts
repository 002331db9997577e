import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'

const SCRIPT = 'examples/aix-check.sh'
const STEPS = ['1 The system', '2 The classes', '3 Their rows', '4 One whole row', '5 The signing command', '6 Which key', '7 A block of ours', '8 The signature of create_pkgsign', 'Done']

/** Runs the check with commands in front of those of the system that say how they were called. */
function check(folder: string, commands: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  for (const [name, body] of Object.entries(commands)) writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  const script = join(folder, 'check.sh')
  // The script puts the system's folders first, as it must; here the stand-ins come before them.
  writeFileSync(script, spawnSync('sed', [`s#^PATH=#PATH=${bin}:#`, SCRIPT], { encoding: 'utf8' }).stdout)
  mkdirSync(join(folder, 'tmp'), { recursive: true })
  const { status, stdout, stderr } = spawnSync('sh', [script, ...args], { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', TMPDIR: join(folder, 'tmp'), PASSIN: '/nowhere/pswd.file' } })
  return { status, stdout, stderr, leftBehind: readdirSync(join(folder, 'tmp')) }
}

const AIX = { uname: 'echo AIX', oslevel: 'echo 7300-02-01-2346', odmshow: 'echo "class $1"', odmget: 'echo "rows $*"', create_pkgsign: 'echo "usage, $# arguments"; exit 2', dsblkchk: 'echo "checked $*"; exit 0', file: 'echo "$1: executable"', lsattr: 'echo "signpolicy none"' }

void test('examples/aix-check.sh is a script that every POSIX shell reads', async (t) => {
  t.equal(spawnSync('sh', ['-n', SCRIPT]).status, 0)
  const shellcheck = spawnSync('shellcheck', [SCRIPT], { encoding: 'utf8' })
  if (shellcheck.error === undefined) t.equal(shellcheck.stdout, '')
  else t.comment('skipped: shellcheck is not on this machine')
})

void test('examples/aix-check.sh asks every question, explains it, and leaves nothing behind', async (t) => {
  const folder = t.testdir({ 'signed package.bff': 'x'.repeat(3000), 'unsigned.bff': 'x'.repeat(1976) })
  const { status, stdout, leftBehind } = check(folder, AIX, join(folder, 'signed package.bff'), join(folder, 'unsigned.bff'))
  t.equal(status, 0)
  for (const step of STEPS) t.ok(stdout.includes(`=== ${step}`), step)
  t.match(stdout, /checked -d \S+\/chk \S+\/signed\.bff\n\(exit status 0\)/)
  t.match(stdout, /\$ create_pkgsign -a infile=\S+\/unsigned\.bff -a passin=\/nowhere\/pswd\.file \S+\/records\nusage, 5 arguments\n\(exit status 2\)/)
  t.match(stdout, /\$ create_pkgsign\nusage, 0 arguments/)
  t.strictSame(leftBehind, [])
})

void test('examples/aix-check.sh goes on where a command is missing, and refuses what makes no sense', async (t) => {
  const folder = t.testdir({ 'a.bff': '' })
  const bare = check(folder, { uname: 'echo AIX' })
  t.equal(bare.status, 0)
  for (const step of STEPS) t.ok(bare.stdout.includes(`=== ${step}`), step)
  t.match(bare.stdout, /dsblkgen is not on this system/)
  t.match(check(folder, { uname: 'echo AIX' }, '/no/such/package'), { status: 2, stderr: /cannot be read/ })
  t.match(check(folder, { uname: 'echo Linux' }), { status: 1, stdout: '', stderr: /not AIX/ })
})
