import { emitFile } from '../emit-file.ts'
import { configurationPage } from './document.ts'

/** `node server/config/emit-docs.ts [--check]`: docs/configuration.md. */
if (import.meta.main) {
  const target = new URL('../../docs/configuration.md', import.meta.url)
  process.exitCode = await emitFile(target, configurationPage(), { args: process.argv.slice(2), complain: console.error })
}
