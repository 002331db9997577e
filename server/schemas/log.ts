import { Type, type Static } from 'typebox'
import { refTo } from './reference.ts'

export const LogFinding = Type.Object(
  {
    table: Type.String({ description: 'The table of the database.' }),
    detail: Type.String({ description: 'What is wrong with it.' }),
  },
  { $id: 'LogFinding', additionalProperties: false, description: 'A table that is not what the server wrote.' },
)
export type LogFinding = Static<typeof LogFinding>

export const LogAudit = Type.Object(
  {
    checkpoint: Type.String({ description: 'The state of the log that was audited: a signed note (C2SP tlog-checkpoint).' }),
    intact: Type.Boolean({ description: 'Whether every row of every table is what the server wrote, and none is missing.' }),
    findings: Type.Array(refTo(LogFinding)),
  },
  { $id: 'LogAudit', additionalProperties: false, description: 'What the server found when it compared its database with what it wrote.' },
)
export type LogAudit = Static<typeof LogAudit>
