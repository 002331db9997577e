import t from 'tap'
import * as sdk from '../../sdk/index.ts'

void t.test('the SDK exports these names and no others', async (t) => {
  t.strictSame(Object.keys(sdk).sort(), [
    'CONNECTION_ERROR_CODES', 'ConnectionError', 'LOCAL_FILE_ERROR_CODES', 'LocalFileError', 'OPERATIONS', 'ProblemError', 'SIGNATURE_FILE_HEADER', 'attachDsb', 'auditLog', 'createClient',
    'describeFile', 'detachDsb', 'examineFile', 'formatSignatureRecord', 'givenSignature', 'guessForm', 'isRecordOf', 'placeFile', 'readLogKey', 'verifyOffline', 'verifyProof',
    'verifyReceipt', 'writeNewFile',
  ])
})
