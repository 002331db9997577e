import { realpath } from 'node:fs/promises'
import type { Root } from './resolve.ts'

/** Resolves the configured roots once: what a client's path is compared with must not move while the server runs. */
export async function openRoots(roots: readonly Readonly<{ name: string; path: string }>[]): Promise<readonly Root[]> {
  return await Promise.all(roots.map(async ({ name, path }) => ({ name, path, realPath: await realpath(path) })))
}
