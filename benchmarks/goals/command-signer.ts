import { writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bench, Benchmark } from '../harness/benchmark.ts'
import { interleave } from '../harness/interleave.ts'
import type { Measurement } from '../harness/measurement.ts'
import { writePackages } from '../harness/packages.ts'
import type { Place } from '../harness/place.ts'
import { prepare } from '../harness/prepare.ts'
import { commandUnderXargs, type CommandRival } from '../rivals/xargs.ts'

/** Goal 10: the wrapped signing command beside the same command run by hand, two at a time. */
export const commandSigner: Benchmark = { name: 'command-signer', number: '10', title: 'The command signer beside xargs -P2 of the same command', run }

const COMMAND = fileURLToPath(new URL('../../tests/fakes/create_pkgsign', import.meta.url))

async function run(bench: Bench): Promise<readonly Measurement[]> {
  let rival: CommandRival | undefined
  const { place, server, load, anew } = await prepare(bench, async (made) => {
    rival = await commandIn(made)
    const { command, passin, environment } = rival
    return {
      config: {
        keys: [{ keyid: '1001', kind: 'command', publicKey: made.publicKey, covers: 'file' }],
        signer: { kind: 'command', command: [command], passin, environment, concurrency: 2 },
      },
    }
  })
  const count = bench.size(100, 10)
  const { directory, paths } = writePackages(place.root, 'small', { count, sizeBytes: 6 * 1024 })
  return [
    await interleave({
      name: `${count} × 6 KiB`,
      figure: 'time',
      unit: 'ms',
      goal: { kind: 'at-least', value: 0.85 },
      ours: { label: 'command signer', measure: async () => (await load.directory({ port: server.port, path: directory, fresh: false, members: anew })).elapsedMs },
      theirs: { label: 'xargs -P2 of the command', measure: async () => await commandUnderXargs(place, paths, rival as CommandRival) },
    }, bench.rounds),
  ]
}

async function commandIn(place: Place): Promise<CommandRival> {
  const passin = join(place.folder, 'passphrase')
  await writeFile(passin, '\n', { mode: 0o600 })
  return { command: COMMAND, passin, environment: { PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter), FAKE_KEY: place.privateKey, FAKE_KEYID: '1001' } }
}
