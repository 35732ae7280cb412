// People send signals too. An input that cannot be decoded must not fail the workflow task over and over, which would wedge
// the connection. So it is read as this text. No signal accepts a text, so it leaves an event like any malformed signal.
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
