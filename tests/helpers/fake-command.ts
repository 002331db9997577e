import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConfigMembers, Place } from './place.ts'

const FAKE = fileURLToPath(new URL('../fakes/create_pkgsign', import.meta.url))

/** What a test may want of a configuration with the fake command: members of `signer`, `covers`, and the PEM file of its key. */
export type FakeCommand = Readonly<{ signer?: Readonly<Record<string, unknown>>; covers?: 'file' | 'unverified'; privateKeyPath?: string; publicKeyPath?: string }>

/** One run of the fake, as it logged it. A run that left a child behind has a second entry with `child`. */
export type FakeRun = Readonly<{ pid: number; argv: readonly string[]; cwd: string; env: Readonly<Record<string, string>>; child?: number }>

/** Returns what makes a configuration whose signer is `tests/fakes/create_pkgsign`, with the faults that {@link setFaults} chose last. */
export function fakeCommand({ signer = {}, covers = 'file', ...keys }: FakeCommand = {}): (place: Place) => ConfigMembers {
  return (place) => {
    const { folder } = place
    const { privateKeyPath, publicKeyPath } = { ...place, ...keys }
    const program = join(folder, 'create_pkgsign')
    const passin = join(folder, 'pswd.file')
    setFaults(place)
    // The faults are read at each run, so that one server can meet every fault.
    writeFileSync(program, `#!/bin/sh\nexec "${FAKE}" $(cat "${folder}/faults") "$@"\n`, { mode: 0o755 })
    writeFileSync(passin, 'unused\n', { mode: 0o600 })
    mkdirSync(join(folder, 'runs'), { recursive: true })
    const environment = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, FAKE_KEY: privateKeyPath, FAKE_LOG: join(folder, 'fake.log') }
    return {
      keys: [{ keyid: '1001', kind: 'command', publicKey: publicKeyPath, covers }],
      signer: { kind: 'command', command: [program], passin, environment, timeoutMs: 20_000, outputBytes: 1_000_000, workDir: 'runs', ...signer },
      signatureFile: 'records',
    }
  }
}

/** Chooses the faults of the runs that follow; none: the command works. */
export function setFaults({ folder }: Pick<Place, 'folder'>, ...faults: readonly string[]): void {
  writeFileSync(join(folder, 'faults'), faults.map((name) => `--fault=${name}`).join(' '))
}

/** Every run so far. */
export function fakeRuns({ folder }: Pick<Place, 'folder'>): readonly FakeRun[] {
  const log = join(folder, 'fake.log')
  // A line that is being written is none yet.
  return existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line) as FakeRun) : []
}
