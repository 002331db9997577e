import type { Stats } from 'node:fs'
import { glob, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { UsageError } from './usage-error.ts'

/** A file of this machine: as the person called it, and its absolute path. */
export type LocalFile = Readonly<{ name: string; path: string }>

const PATTERN = /[*?[\]{}]/

/**
 * Returns the files that are meant, each once: a name is the file of that name, whatever is in it; one that names nothing and looks like
 * a pattern is what it matches, in name order, directories left out. Whether a file can be read shows when it is read.
 * @throws UsageError with every pattern that matches nothing
 */
export async function expandFiles(names: readonly string[], cwd: string): Promise<readonly LocalFile[]> {
  const expanded = await Promise.all(names.map(async (name) => ((await isThere(resolve(cwd, name))) || !PATTERN.test(name) ? [name] : await matching(name, cwd))))
  const without = names.filter((_, place) => expanded[place]!.length === 0)
  if (without.length > 0) throw new UsageError(without.map((pattern) => `no file matches '${pattern}'`))
  const files = new Map<string, LocalFile>()
  for (const name of expanded.flat()) {
    const path = resolve(cwd, name)
    if (!files.has(path)) files.set(path, { name, path })
  }
  return [...files.values()]
}

async function matching(pattern: string, cwd: string): Promise<readonly string[]> {
  const names = await Array.fromAsync(glob(pattern, { cwd }))
  const directories = await Promise.all(names.map(async (name) => await isThere(resolve(cwd, name), (stats) => stats.isDirectory())))
  return names.filter((_, place) => directories[place] === false).sort()
}

async function isThere(path: string, check: (stats: Stats) => boolean = () => true): Promise<boolean> {
  return await stat(path).then(check, () => false)
}

/** Returns how many bytes files have together; one that cannot be looked at has none. */
export async function totalBytes(files: readonly LocalFile[]): Promise<number> {
  const sizes = await Promise.all(files.map(async ({ path }) => await stat(path).then(({ size }) => size, () => 0)))
  return sizes.reduce((sum, size) => sum + size, 0)
}
