import { open } from 'node:fs/promises'

/** Resolves when the names in a folder are on disk: without it a power cut may take away a file that was written and flushed. */
export async function flushFolder(path: string): Promise<void> {
  await using folder = await open(path)
  await folder.sync()
}
