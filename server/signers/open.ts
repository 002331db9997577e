import { tmpdir } from 'node:os'
import type { CommandSignerConfig, EmbeddedSignerConfig } from '../config/schema.ts'
import { createCommandSigner } from './command.ts'
import { createEmbeddedSigner } from './embedded.ts'
import type { Copier } from './private-copy.ts'
import { removeStaleRunFolders } from './run-folder.ts'
import type { OpenedSigner } from './signer.ts'
import { createSpawner } from './spawn.ts'

/** What the signers need of the process: the time, copying off the event loop, and the environment (`process.env`). */
export type SignerDependencies = Readonly<{ clock: () => Date; copier: Copier; environment: Readonly<NodeJS.ProcessEnv> }>

/**
 * Opens the signer of the configuration. For a command this starts the helper process and removes the folders that runs of a crashed
 * server left behind; the command itself is looked for by `probe` and by each run, so that it may be installed later.
 * @throws SigningError `SIGNER_FAILED` when the helper process does not start
 */
export async function openSigner(config: EmbeddedSignerConfig | CommandSignerConfig, { clock, copier, environment }: SignerDependencies): Promise<OpenedSigner> {
  if (config.kind === 'embedded') return createEmbeddedSigner({ timestamp: config.timestamp, clock })
  const spawner = createSpawner()
  await spawner.probe().catch(async (error: unknown) => {
    await spawner.close()
    throw error
  })
  await removeStaleRunFolders(config.workDir ?? tmpdir())
  return createCommandSigner({ config, spawner, copier, environment })
}
