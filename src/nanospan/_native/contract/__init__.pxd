include "key_facts.pxd"
include "redactor.pxd"
include "contract.pxd"
