import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { basename } from 'node:path'

/**
 * Writes a generated file, or with `--check` among the arguments only compares it with what is there. Returns the exit status: 1 when
 * the check finds a difference, which `complain` is told.
 */
export async function emitFile(target: URL, text: string, { args, complain }: Readonly<{ args: readonly string[]; complain: (text: string) => void }>): Promise<0 | 1> {
  if (!args.includes('--check')) {
    await writeFile(target, text)
    return 0
  }
  if ((await readFile(target, 'utf8').catch(() => undefined)) === text) return 0
  complain(`${basename(fileURLToPath(target))} differs from what it is generated from; run \`npm run generate\``)
  return 1
}
