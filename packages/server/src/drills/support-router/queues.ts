/** Where tickets go, and the words that say so. */

export const queues = ["billing", "access", "delivery", "technical", "returns"] as const;
export type Queue = (typeof queues)[number];

/** What the models know of each queue. */
export const words: Readonly<Record<Queue, readonly [string, ...string[]]>> = {
  billing: ["invoice", "charged", "payment", "card", "refund"],
  access: ["password", "login", "locked", "code", "account"],
  delivery: ["parcel", "courier", "tracking", "shipping", "address"],
  technical: ["crash", "error", "update", "screen", "freezes"],
  returns: ["return", "exchange", "warranty", "broken", "label"],
};

/** As most people write. Each has words of its own queue, and of no other. */
export const sentences: Readonly<Record<Queue, readonly [string, ...string[]]>> = {
  billing: [
    "I was charged twice, and the invoice shows only one order",
    "my card was declined although the payment went through",
    "the refund that you promised has not come",
    "the invoice has the name of my old company on it",
  ],
  access: [
    "my account is locked since this morning",
    "the login asks for a code that never comes",
    "the password that I set last week is not taken any more",
    "I cannot open my account on the new phone",
  ],
  delivery: [
    "the courier left the parcel with somebody I do not know",
    "the tracking has not moved for a week",
    "I have moved, please change the address of my order",
    "you do not offer shipping to my island",
  ],
  technical: [
    "after the update everything is slow",
    "there is an error at every start",
    "the screen stays black when I open a photo",
    "the app freezes as soon as I scroll",
  ],
  returns: [
    "I would like to exchange it for the smaller one",
    "it came broken out of the box",
    "the label for sending it back cannot be printed",
    "is a loose hinge covered by the warranty",
  ],
};

/** As people write who are in a hurry. Each has one word of its queue, and of no other. */
export const shouts: Readonly<Record<Queue, readonly [string, ...string[]]>> = {
  billing: ["CHARGED TWICE FIX IT", "WRONG INVOICE AGAIN", "WHERE IS MY REFUND"],
  access: ["LOCKED OUT AGAIN", "CODE NEVER COMES", "LOGIN DEAD SINCE NOON"],
  delivery: ["PARCEL STILL NOT HERE", "TRACKING IS STUCK", "WRONG ADDRESS FIX IT"],
  technical: ["CRASH ON START", "SCREEN BLACK HELP", "ERROR EVERY TIME"],
  returns: ["IT CAME BROKEN", "RETURN REFUSED WHY", "NO LABEL IN THE BOX"],
};
