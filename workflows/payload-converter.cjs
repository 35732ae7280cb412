// Signals come from people, too. What somebody sent in an encoding or a form that cannot be read must not fail the
// workflow task over and over, which would wedge the connection: it is read as this text, which no signal takes, and
// so leaves an event as any malformed signal does.
//
// CommonJS, because the SDK loads this file with require() as well as bundling it with the workflow code.
const { defaultPayloadConverter } = require('@temporalio/common');

const UNREADABLE = 'unreadable';

exports.payloadConverter = {
  toPayload: (value, context) => defaultPayloadConverter.toPayload(value, context),
  fromPayload: (payload, context) => {
    try {
      return defaultPayloadConverter.fromPayload(payload, context);
    } catch {
      return UNREADABLE;
    }
  },
};
