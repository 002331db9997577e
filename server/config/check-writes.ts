import { realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, sep } from 'node:path'
import type { Partially, Report } from './cross-check.ts'
import type { Place } from './fault.ts'
import type { ConfigFile } from './schema.ts'

/**
 * Reports what the server would write inside a root, or into one of the files that it reads, by whatever links. It never writes where it reads: a
 * client that may write into a root must not reach what the server keeps, nor find there what the server is working on; and a key or the
 * configuration itself must not become a database.
 */
export async function checkWrites(config: Partially<ConfigFile>, files: readonly string[], report: Report): Promise<void> {
  const read = new Set(await Promise.all(files.map(realPlace)))
  const roots = await Promise.all((config.roots ?? []).flatMap((root) => (root?.path === undefined ? [] : [{ name: root.name, path: root.path }])).map(async ({ name, path }) => ({ name, real: await realPlace(path) })))
  for (const [place, path, what] of writtenBy(config)) {
    const real = await realPlace(path)
    const inside = roots.find((root) => real === root.real || real.startsWith(root.real.endsWith(sep) ? root.real : root.real + sep))
    if (inside !== undefined) report(place, `${what}lies inside the root ${inside.name}`)
    if (read.has(real)) report(place, 'is a file that the server reads')
  }
}

type Written = readonly [place: Place, path: string, what: string]

function writtenBy({ store, transparencyLog, signatureFile, uploadDir, signer }: Partially<ConfigFile>): readonly Written[] {
  const named = (place: Place, path: string | undefined): readonly Written[] => (path === undefined ? [] : [[place, path, '']])
  const orTemporary = (place: Place, path: string | undefined): readonly Written[] => [path === undefined ? [place, tmpdir(), `is not given, and the system's temporary folder ${tmpdir()} `] : [place, path, '']]
  return [
    ...named(['store', 'url'], store?.url?.startsWith('sqlite:') ? store.url.slice('sqlite:'.length) : undefined),
    ...named(['transparencyLog', 'key'], transparencyLog?.key),
    ...named(['signatureFile'], signatureFile),
    ...orTemporary(['uploadDir'], uploadDir),
    ...(signer?.kind === 'command' ? orTemporary(['signer', 'workDir'], signer.workDir) : []),
  ]
}

/** Where a path really leads, as far as anybody may look. What is not there yet is made in what is. */
async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? join(await realPlace(dirname(path)), basename(path)) : path
  }
}
