import type { LoadTask } from './load.ts'
import { createLoadGenerator, type LoadGenerator } from './load-generator.ts'
import { serve } from './peer.ts'
import type { Credentials } from './place.ts'

// The first task is who to connect as.
let generator: LoadGenerator | undefined
serve(async (given) => {
  const task = given as LoadTask | Credentials
  if (!('kind' in task)) return void (generator = createLoadGenerator(task))
  return await generator?.perform(task)
})
