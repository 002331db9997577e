import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../harness/child.ts'
import type { Place } from '../harness/place.ts'

/** Signs each file by an `openssl dgst -sign` of its own, two at a time, as a release script does. Resolves with how long it took, in milliseconds. @throws Unavailable without OpenSSL */
export async function opensslUnderXargs(place: Place, paths: readonly string[]): Promise<number> {
  // To xargs a command that is not there is one that fails.
  await run('openssl', ['version'])
  const command = ['openssl', 'dgst', '-sha256', '-sign', place.privateKey, '-out', '{}.sig', '{}']
  return await underXargs(paths, command)
}

/** Signs each file by a run of the signing command, two at a time, each output in a file of its own. */
export async function commandUnderXargs(place: Place, paths: readonly string[], { command, passin, environment }: CommandRival): Promise<number> {
  const outputs = join(place.folder, 'outputs')
  await rm(outputs, { recursive: true, force: true })
  await mkdir(outputs)
  // The name of the output comes from xargs, which replaces {} inside an argument too.
  const links = paths.map((path) => path.split('/').at(-1) as string)
  return await underXargs(links, [command, '-a', 'infile={}', '-a', `passin=${passin}`, `${outputs}/{}.signature`], { cwd: join(paths[0] as string, '..'), env: environment })
}

/** The command as the server is configured to run it. */
export type CommandRival = Readonly<{ command: string; passin: string; environment: Readonly<Record<string, string>> }>

async function underXargs(inputs: readonly string[], command: readonly string[], options: Readonly<{ cwd?: string; env?: Readonly<Record<string, string>> }> = {}): Promise<number> {
  const input = inputs.map((path) => `${path}\0`).join('')
  const started = performance.now()
  await run('xargs', ['-0', '-P2', '-I{}', ...command], { ...options, input })
  return performance.now() - started
}
