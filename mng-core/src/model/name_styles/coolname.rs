//! Words of the default style, `brave-amber-otter`.

/// How something is: the first word.
#[rustfmt::skip]
pub(super) static MANNERS: &[&str] = &[
    "able", "agile", "airy", "ample", "apt", "avid", "bold", "brave", "breezy", "bright", "brisk", "calm",
    "candid", "careful", "cheerful", "civil", "clever", "cosy", "crisp", "daring", "deft", "eager",
    "earnest", "easy", "elated", "fair", "famous", "fast", "fearless", "festive", "fine", "fond", "frank",
    "free", "fresh", "gallant", "gentle", "genuine", "glad", "golden", "graceful", "grand", "happy",
    "hardy", "hearty", "honest", "humble", "jolly", "jovial", "keen", "kind", "lively", "loyal", "lucid",
    "lucky", "mellow", "merry", "mighty", "modest", "neat", "nimble", "noble", "patient", "placid",
    "playful", "plucky", "polite", "prompt", "proud", "quick", "quiet", "ready", "robust", "serene",
    "sharp", "silent", "sincere", "smart", "snug", "sober", "spry", "steady", "stout", "strong", "sunny",
    "sure", "swift", "tender", "thrifty", "tidy", "tranquil", "trusty", "upbeat", "valiant", "vivid",
    "warm", "wary", "wise", "witty", "zesty",
];

/// What something looks like or is made of: the second word.
#[rustfmt::skip]
pub(super) static LOOKS: &[&str] = &[
    "amber", "ancient", "arctic", "ashen", "azure", "bamboo", "beige", "birch", "bronze", "brown", "cedar",
    "checkered", "cherry", "chestnut", "cobalt", "copper", "coral", "cotton", "cream", "crimson", "crystal",
    "curly", "dappled", "dotted", "ebony", "emerald", "feathered", "fluffy", "frosted", "fuzzy", "garnet",
    "gilded", "ginger", "granite", "green", "grey", "hazel", "honey", "indigo", "iron", "ivory", "jade",
    "khaki", "lavender", "lemon", "lilac", "linen", "lunar", "magenta", "mahogany", "maple", "marble",
    "maroon", "mauve", "mint", "misty", "mossy", "navy", "ochre", "olive", "onyx", "opal", "orange",
    "papaya", "pearl", "pink", "plum", "polar", "purple", "quartz", "raspberry", "red", "rosy", "ruby",
    "russet", "saffron", "sandy", "satin", "scarlet", "shaggy", "sienna", "silken", "silver", "sleek",
    "slender", "solar", "speckled", "spotted", "stellar", "striped", "tawny", "teal", "tiny", "topaz",
    "turquoise", "umber", "velvet", "violet", "walnut", "white", "woolly", "yellow",
];

/// Who it is: the last word, and a style of its own.
#[rustfmt::skip]
pub(super) static CREATURES: &[&str] = &[
    "albatross", "alpaca", "antelope", "armadillo", "avocet", "axolotl", "badger", "bat", "bear", "beaver",
    "beetle", "bison", "bittern", "boar", "bobcat", "bumblebee", "bunting", "buzzard", "camel", "capybara",
    "caracal", "caribou", "cat", "chameleon", "cheetah", "chinchilla", "chipmunk", "cicada", "civet", "cod",
    "condor", "cormorant", "cougar", "coyote", "crab", "crane", "cricket", "crow", "cuckoo", "curlew",
    "deer", "dingo", "dolphin", "donkey", "dormouse", "dove", "dragonfly", "duck", "eagle", "echidna",
    "egret", "eland", "elephant", "elk", "emu", "ermine", "falcon", "ferret", "finch", "firefly",
    "flamingo", "fox", "frog", "gannet", "gazelle", "gecko", "gerbil", "gibbon", "giraffe", "gnu", "goat",
    "goose", "gopher", "grebe", "grouse", "guppy", "hamster", "hare", "hawk", "hedgehog", "heron", "hippo",
    "hoopoe", "hornet", "horse", "hyena", "ibex", "ibis", "iguana", "impala", "jackal", "jackdaw", "jaguar",
    "jay", "jerboa", "kestrel", "kingfisher", "kiwi", "koala", "kudu", "ladybird", "lark", "lemming",
    "lemur", "leopard", "linnet", "lion", "lizard", "llama", "lobster", "loon", "lynx", "macaw", "magpie",
    "mallard", "manatee", "marmot", "marten", "meerkat", "mink", "mole", "mongoose", "moose", "moth",
    "mouse", "mule", "newt", "nightingale", "numbat", "ocelot", "octopus", "okapi", "opossum", "orca",
    "oriole", "oryx", "osprey", "ostrich", "otter", "owl", "ox", "oyster", "panda", "pangolin", "panther",
    "parrot", "partridge", "pelican", "penguin", "perch", "pheasant", "pigeon", "pika", "pike", "plover",
    "pony", "porcupine", "puffin", "puma", "python", "quail", "quokka", "rabbit", "raccoon", "ram", "raven",
    "reindeer", "robin", "rook", "salamander", "salmon", "sandpiper", "seal", "serval", "shark", "sheep",
    "shrew", "shrimp", "skink", "skunk", "sloth", "snail", "snipe", "sparrow", "spider", "squid",
    "squirrel", "starling", "stoat", "stork", "swallow", "swan", "swift", "tapir", "tern", "thrush",
    "tiger", "toad", "tortoise", "toucan", "trout", "turtle", "urchin", "vole", "vulture", "wallaby",
    "walrus", "warbler", "weasel", "whale", "wolf", "wolverine", "wombat", "woodpecker", "wren", "yak",
    "zebra",
];
