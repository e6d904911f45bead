declare const __PULSE_VERSION__: string | undefined;

/** The version of this program, put in when it is bundled; `0.0.0-source` when the sources run as they are (tests). */
export const toolVersion: string = typeof __PULSE_VERSION__ === 'string' ? __PULSE_VERSION__ : '0.0.0-source';
